//! One connection of the client, its producers, and their open outputs.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use anyhow::{Context, Result, anyhow};
use fluvio::{
    Fluvio, FluvioClusterConfig, ProduceOutput, RecordKey, TopicProducerConfig, TopicProducerPool,
};
use serde_json::{Map, Value, json};

use crate::consume::consume;
use crate::options::not_applicable;
use crate::question::{Op, Question, Record};

/// Answer each line of standard input with a line on standard output, until the input ends.
///
/// # Errors
///
/// A line is no question of the client protocol, or the output is closed.
pub async fn converse() -> Result<()> {
    let mut session = Session::default();
    for line in io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let n = question.n;
        let answer = match session.answer(question).await {
            Ok(answer) => answer,
            Err(error) => json!({"error": error.to_string()}),
        };
        say(n, answer)?;
    }
    Ok(())
}

/// Write a line of the answer to question `n`.
fn say(n: u64, mut line: Value) -> Result<()> {
    line["n"] = n.into();
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()?;
    Ok(())
}

#[derive(Default)]
struct Session {
    address: String,
    client_id: Option<String>,
    fluvio: Option<Fluvio>,
    /// By the number that the harness gave each.
    producers: HashMap<u64, TopicProducerPool>,
    /// By record id, the number of the producer, and the output.
    outputs: HashMap<u64, (u64, ProduceOutput)>,
}

impl Session {
    async fn answer(&mut self, question: Question) -> Result<Value> {
        let number = question.producer;
        let mut answer = Map::from_iter([("ok".into(), true.into())]);
        match question.op {
            Op::Connect { address, client_id } => {
                self.address = address;
                self.client_id = client_id;
                self.connect().await?;
            }
            Op::Producer { topic, options } => {
                self.make_producer(number, topic, options.config()?).await?;
                answer.insert("not_applicable".into(), not_applicable());
            }
            Op::Send(record) => self.send(number, record).await?,
            Op::SendAll { records } => self.send_all(number, records).await?,
            Op::Flush => self.producer(number)?.flush().await?,
            Op::Wait { id } => {
                let (_, output) = self
                    .outputs
                    .remove(&id)
                    .context("there is no such record")?;
                let metadata = output.wait().await?;
                answer.insert("partition".into(), metadata.partition_id().into());
                answer.insert("offset".into(), metadata.offset().into());
            }
            Op::Close => self.close(number).await?,
            Op::Consume(terms) => {
                let fluvio = self.fluvio.as_ref().context("not connected")?;
                consume(fluvio, &terms, |line| say(question.n, line)).await?;
            }
        }
        Ok(answer.into())
    }

    async fn connect(&mut self) -> Result<()> {
        let mut config = FluvioClusterConfig::new(&self.address);
        config.client_id = self.client_id.clone();
        self.fluvio = Some(Fluvio::connect_with_config(&config).await?);
        Ok(())
    }

    async fn make_producer(
        &mut self,
        number: u64,
        topic: String,
        config: TopicProducerConfig,
    ) -> Result<()> {
        if self.fluvio.is_none() {
            self.connect().await?;
        }
        let fluvio = self.fluvio.as_ref().context("not connected")?;
        let producer = fluvio.topic_producer_with_config(topic, config).await?;
        self.producers.insert(number, producer);
        Ok(())
    }

    async fn send(&mut self, number: u64, record: Record) -> Result<()> {
        let output = self
            .producer(number)?
            .send(key(record.key), record.value)
            .await?;
        self.outputs.insert(record.id, (number, output));
        Ok(())
    }

    async fn send_all(&mut self, number: u64, records: Vec<Record>) -> Result<()> {
        let ids: Vec<u64> = records.iter().map(|record| record.id).collect();
        let pairs = records
            .into_iter()
            .map(|record| (key(record.key), record.value));
        let outputs = self.producer(number)?.send_all(pairs).await?;
        let numbered = outputs.into_iter().map(|output| (number, output));
        self.outputs.extend(ids.into_iter().zip(numbered));
        Ok(())
    }

    /// Release a producer, and with the last one the connection. What the producer has open is
    /// flushed, since releasing alone would lose it.
    async fn close(&mut self, number: u64) -> Result<()> {
        let closed = self
            .producers
            .remove(&number)
            .ok_or_else(|| no_producer(number))?;
        let flushed = if self.outputs.values().any(|(open, _)| *open == number) {
            closed.flush().await
        } else {
            Ok(())
        };
        if self.producers.is_empty() {
            self.fluvio = None;
        }
        flushed
    }

    fn producer(&self, number: u64) -> Result<&TopicProducerPool> {
        self.producers
            .get(&number)
            .ok_or_else(|| no_producer(number))
    }
}

fn no_producer(number: u64) -> anyhow::Error {
    anyhow!("there is no producer {number}")
}

fn key(bytes: Option<Vec<u8>>) -> RecordKey {
    bytes.map_or(RecordKey::NULL, RecordKey::from)
}
