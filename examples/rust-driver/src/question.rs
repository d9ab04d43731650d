//! The questions of the client protocol.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::consume::Terms;
use crate::options::Options;

/// One line of standard input.
#[derive(Deserialize)]
pub struct Question {
    /// The number of the question, which the answer repeats.
    pub n: u64,
    /// The number of the producer that the question is about.
    #[serde(default)]
    pub producer: u64,
    #[serde(flatten)]
    pub op: Op,
}

/// What the question asks for.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    Connect {
        address: String,
        client_id: Option<String>,
    },
    Producer {
        topic: String,
        #[serde(flatten)]
        options: Options,
    },
    Send(Record),
    SendAll {
        records: Vec<Record>,
    },
    Flush,
    Wait {
        id: u64,
    },
    Close,
    Consume(Terms),
}

/// A record, and the number by which the harness asks for its outcome.
#[derive(Deserialize)]
pub struct Record {
    pub id: u64,
    /// `None` is no key, which differs from an empty one.
    #[serde(deserialize_with = "optional_bytes")]
    pub key: Option<Vec<u8>>,
    #[serde(deserialize_with = "bytes")]
    pub value: Vec<u8>,
}

fn bytes<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(source)?;
    STANDARD.decode(text).map_err(D::Error::custom)
}

fn optional_bytes<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(source)?;
    text.map(|text| STANDARD.decode(text).map_err(D::Error::custom))
        .transpose()
}
