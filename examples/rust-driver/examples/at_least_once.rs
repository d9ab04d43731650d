//! The documentation's example of at-least-once, as it stands there, and a record that is sent and
//! waited for as the documentation does it.
//!
//! `Fluvio::connect` reads the address from the profile that `FLV_PROFILE_PATH` names.

use std::time::Duration;

use fluvio::{DeliverySemantic, Fluvio, RetryPolicy, RetryStrategy, TopicProducerConfigBuilder};

/// The documentation says `Duration::from_sec`; the standard library has `from_secs`.
trait FromSec {
    fn from_sec(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
}

impl FromSec for Duration {}

#[rustfmt::skip]
async fn documented() -> anyhow::Result<()> {
let fluvio = Fluvio::connect().await?;
let policy = RetryPolicy {
max_retries: 5,
initial_delay: Duration::from_millis(10),
max_delay: Duration::from_sec(2),
timeout: Duration::from_sec(10),
strategy: RetryStrategy::ExponentialBackoff
};
let config = TopicProducerConfigBuilder::default()
.delivery_semantic(DeliverySemantic::AtLeastOnce(policy))
.build()?;
let producer = fluvio.topic_producer_with_config("greetings", config).await?;
let output = producer.send("Hello", "Fluvio!").await?;
// Provides response metadata for records such as offset.
// This only returns once batch has been sent and ack is received from SPU.
output.wait().await?;
Ok(())
}

fn main() -> anyhow::Result<()> {
    smol::block_on(documented())
}
