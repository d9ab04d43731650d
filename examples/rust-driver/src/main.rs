//! The official Rust client as a program of the client protocol (`docs/client-protocol.md`).
//!
//! Without arguments the program answers each line of standard input, a question, with a line on
//! standard output. `rust-driver bench ADDRESS` is the client as a peer in a benchmark instead.

mod bench;
mod consume;
mod options;
mod question;
mod session;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        [] => smol::block_on(session::converse()),
        ["bench", address] => smol::block_on(bench::run(address)),
        _ => Err(anyhow::anyhow!("usage: rust-driver [bench ADDRESS]")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rust-driver: {error}");
            ExitCode::from(2)
        }
    }
}
