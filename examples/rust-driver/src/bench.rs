//! The client as a peer in a benchmark (`benchmarks/producing.py` has the other clients).
//!
//! Each line of standard input is a task, and each is answered with a line. The time counts from the
//! first record until all are confirmed. Connecting, and a first record that opens the connection to
//! the SPU, are not counted.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use fluvio::{
    DeliverySemantic, Fluvio, FluvioClusterConfig, RecordKey, RetryPolicy,
    TopicProducerConfigBuilder,
};
use serde::{Deserialize, Serialize};

/// The topic that a simulator has by default.
const TOPIC: &str = "greetings";

/// Records between two looks at the clock, and in one call of `send_all`.
const CHUNK: u32 = 1_000;

#[derive(Deserialize)]
struct Task {
    at_most_once: bool,
    send_all: bool,
    /// The size of each value in bytes; there are no keys.
    size: usize,
    records_max: u64,
    seconds_max: f64,
}

#[derive(Serialize)]
struct Done {
    records: u64,
    seconds: f64,
    /// The number of records that were sent before the measured time.
    before: u64,
}

/// Perform the tasks of standard input against the cluster at `address`.
///
/// # Errors
///
/// A line is no task, or the client reports an error.
pub async fn run(address: &str) -> Result<()> {
    let fluvio = Fluvio::connect_with_config(&FluvioClusterConfig::new(address)).await?;
    for line in io::stdin().lock().lines() {
        let done = perform(&fluvio, &serde_json::from_str(&line?)?).await?;
        let mut output = io::stdout().lock();
        writeln!(output, "{}", serde_json::to_string(&done)?)?;
        output.flush()?;
    }
    Ok(())
}

async fn perform(fluvio: &Fluvio, task: &Task) -> Result<Done> {
    let semantic = if task.at_most_once {
        DeliverySemantic::AtMostOnce
    } else {
        DeliverySemantic::AtLeastOnce(RetryPolicy::default())
    };
    let config = TopicProducerConfigBuilder::default()
        .delivery_semantic(semantic)
        .build()?;
    let producer = fluvio.topic_producer_with_config(TOPIC, config).await?;
    let values: Vec<Vec<u8>> = (0..CHUNK).map(|index| value(index, task.size)).collect();
    let mut output = producer.send(RecordKey::NULL, values[0].clone()).await?;
    output.wait().await?;
    let mut sent = 0;
    let started = Instant::now();
    let ends = started + Duration::try_from_secs_f64(task.seconds_max)?;
    loop {
        // The client takes values that it owns, so that each must be copied.
        let copies = values.iter().cloned();
        if task.send_all {
            let records = copies.map(|value| (RecordKey::NULL, value));
            output = producer
                .send_all(records)
                .await?
                .pop()
                .expect("a chunk has records");
        } else {
            output = producer.send(RecordKey::NULL, values[0].clone()).await?;
            for value in copies.skip(1) {
                output = producer.send(RecordKey::NULL, value).await?;
            }
        }
        sent += u64::from(CHUNK);
        if sent >= task.records_max || Instant::now() >= ends {
            break;
        }
    }
    producer.flush().await?;
    output.wait().await?;
    Ok(Done {
        records: sent,
        seconds: started.elapsed().as_secs_f64(),
        before: 1,
    })
}

fn value(index: u32, size: usize) -> Vec<u8> {
    let mut value = vec![0; size];
    value[..4].copy_from_slice(&index.to_be_bytes());
    value
}
