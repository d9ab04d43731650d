//! The producer options of a scenario, as a configuration of the client.

use std::env;
use std::time::Duration;

use anyhow::Result;
use fluvio::{
    Compression, DeliverySemantic, Isolation, RetryPolicy, RetryStrategy, TopicProducerConfig,
    TopicProducerConfigBuilder,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The options in the words of scenarios; durations are in seconds, sizes in bytes.
#[derive(Deserialize)]
pub struct Options {
    delivery_semantic: Semantic,
    retry: Retry,
    batch_size: usize,
    max_request_size: usize,
    batch_queue_size: usize,
    linger: f64,
    compression: Codec,
    isolation: Level,
    timeout: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Semantic {
    AtMostOnce,
    AtLeastOnce,
}

#[derive(Deserialize)]
struct Retry {
    max_retries: usize,
    initial_delay: f64,
    max_delay: f64,
    timeout: f64,
    strategy: Strategy,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Strategy {
    FixedDelay,
    FibonacciBackoff,
    ExponentialBackoff,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    ReadUncommitted,
    ReadCommitted,
}

impl Level {
    /// The level as the client has it.
    pub fn isolation(&self) -> Isolation {
        match self {
            Self::ReadUncommitted => Isolation::ReadUncommitted,
            Self::ReadCommitted => Isolation::ReadCommitted,
        }
    }
}

impl Options {
    /// The options as a configuration of the client.
    pub fn config(&self) -> Result<TopicProducerConfig> {
        let config = TopicProducerConfigBuilder::default()
            .batch_size(self.batch_size)
            .max_request_size(self.max_request_size)
            .batch_queue_size(self.batch_queue_size)
            .linger(Duration::try_from_secs_f64(self.linger)?)
            .timeout(Duration::try_from_secs_f64(self.timeout)?)
            .compression(match self.compression {
                Codec::None => Compression::None,
                Codec::Gzip => Compression::Gzip,
                Codec::Snappy => Compression::Snappy,
                Codec::Lz4 => Compression::Lz4,
                Codec::Zstd => Compression::Zstd,
            })
            .isolation(self.isolation.isolation())
            .delivery_semantic(match self.delivery_semantic {
                Semantic::AtMostOnce => DeliverySemantic::AtMostOnce,
                Semantic::AtLeastOnce => DeliverySemantic::AtLeastOnce(self.retry.policy()?),
            })
            .build()?;
        Ok(config)
    }
}

impl Retry {
    fn policy(&self) -> Result<RetryPolicy> {
        Ok(RetryPolicy {
            max_retries: self.max_retries,
            initial_delay: Duration::try_from_secs_f64(self.initial_delay)?,
            max_delay: Duration::try_from_secs_f64(self.max_delay)?,
            timeout: Duration::try_from_secs_f64(self.timeout)?,
            strategy: match self.strategy {
                Strategy::FixedDelay => RetryStrategy::FixedDelay,
                Strategy::FibonacciBackoff => RetryStrategy::FibonacciBackoff,
                Strategy::ExponentialBackoff => RetryStrategy::ExponentialBackoff,
            },
        })
    }
}

/// What the client cannot be told, with its own value.
///
/// The client waits for each answer as long as the environment variable says. Under at-most-once it
/// waits for an outcome without any limit; it is judged by the default of scenarios.
pub fn not_applicable() -> Value {
    let wait_s = env::var("FLV_SOCKET_WAIT").unwrap_or_else(|_| "60".into());
    json!({
        "attempt_timeout": format!("{wait_s}s"),
        "response_timeout": "10s",
        "wait twice": "an output is waited for once",
    })
}
