//! The documentation's example of at-most-once, as it stands there.
//!
//! `Fluvio::connect` reads the address from the profile that `FLV_PROFILE_PATH` names.

use fluvio::{DeliverySemantic, Fluvio, TopicProducerConfigBuilder};

#[rustfmt::skip]
async fn documented() -> anyhow::Result<()> {
let fluvio = Fluvio::connect().await?;
let config = TopicProducerConfigBuilder::default()
.delivery_semantic(DeliverySemantic::AtMostOnce)
.build()?;
let producer = fluvio.topic_producer_with_config("greetings", config).await?;
producer.send("Hello", "Fluvio!").await?;
producer.flush().await?;
Ok(())
}

fn main() -> anyhow::Result<()> {
    smol::block_on(documented())
}
