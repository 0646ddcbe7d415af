//! Compiles the messages with protox, so that nobody needs protoc. They have no services: calls are told apart by
//! name, and what carries them is ttrpc.

use std::error::Error;

const FILES: [&str; 2] = ["nri.proto", "ttrpc.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
