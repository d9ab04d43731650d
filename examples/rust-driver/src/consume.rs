//! Reads a partition, with a line for each record and for each offset that is stored.

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fluvio::consumer::{
    ConsumerConfigExt, ConsumerConfigExtBuilder, ConsumerStream, OffsetManagementStrategy,
};
use fluvio::{Fluvio, Offset};
use serde::Deserialize;
use serde_json::{Value, json};
use smol::stream::StreamExt;

use crate::options::Level;

/// What to read, in the words of scenarios.
#[derive(Deserialize)]
pub struct Terms {
    topic: String,
    partition: u32,
    start: Start,
    offset: u32,
    /// How many records; `None` for all that are committed when it begins.
    count: Option<u64>,
    /// The id under which offsets are stored, after each record.
    consumer_id: Option<String>,
    isolation: Level,
    max_bytes: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Start {
    Beginning,
    End,
    Absolute,
}

impl Terms {
    fn config(&self) -> Result<ConsumerConfigExt> {
        let mut builder = ConsumerConfigExtBuilder::default();
        builder
            .topic(&self.topic)
            .partition(self.partition)
            .offset_start(match self.start {
                Start::Beginning => Offset::from_beginning(self.offset),
                Start::End => Offset::from_end(self.offset),
                Start::Absolute => Offset::absolute(self.offset.into())?,
            })
            .isolation(self.isolation.isolation())
            .max_bytes(self.max_bytes)
            .disable_continuous(self.count.is_none());
        if let Some(id) = &self.consumer_id {
            builder
                .offset_consumer(id)
                .offset_strategy(OffsetManagementStrategy::Manual);
        }
        builder.build()
    }
}

/// Read until an end; `say` writes a line before the answer.
///
/// # Errors
///
/// The client cannot read on, or the output is closed.
pub async fn consume(
    fluvio: &Fluvio,
    terms: &Terms,
    say: impl Fn(Value) -> Result<()>,
) -> Result<()> {
    let mut stream = fluvio.consumer_with_config(terms.config()?).await?;
    let mut left = terms.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(record) = stream.next().await else {
            break;
        };
        let record = record?;
        let offset = record.offset();
        say(json!({"record": {
            "offset": offset,
            "timestamp": record.timestamp(),
            "key": record.key().map(|key| STANDARD.encode(key)),
            "value": STANDARD.encode(record.value()),
        }}))?;
        if terms.consumer_id.is_some() {
            say(json!({"storing": offset}))?;
            stream.offset_commit().await?;
            stream.offset_flush().await?;
            say(json!({"stored": offset}))?;
        }
        left -= 1;
    }
    Ok(())
}
