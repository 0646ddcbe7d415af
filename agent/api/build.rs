//! Compiles our own protocol buffers with protox, so that nobody needs protoc for them.
//! Maps become BTreeMaps: what is shown and what is hashed has one order.

use std::error::Error;

const FILES: [&str; 9] = [
    "kerf/v1/map.proto",
    "kerf/v1/hardware.proto",
    "kerf/v1/kerf.proto",
    "kerf/partitioner/v1/process.proto",
    "kerf/partitioner/v1/partitioner.proto",
    "kerf/peer/v1/peer.proto",
    "kerf/v1/keyring.proto",
    "kerf/peer/v1/enrolment.proto",
    "kerf/v1/cluster.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .build_transport(false)
        .btree_map(".")
        // The last message of an attachment must not make each of its bytes as large as a job.
        .boxed(".kerf.v1.AttachOutput.output.ended")
        // Nor must a host's facts make an answer about one GPU as large.
        .boxed(".kerf.partitioner.v1.Response.outcome.host")
        // Nor must what is done to a container make a request about one GPU as large.
        .boxed(".kerf.partitioner.v1.Request.call.process")
        .boxed(".kerf.partitioner.v1.Response.outcome.process")
        // A key is never shown.
        .skip_debug([
            ".kerf.peer.v1.InstallKeyRequest",
            ".kerf.peer.v1.JoinRequest",
            ".kerf.peer.v1.JoinResponse",
            ".kerf.v1.JoinClusterRequest",
            ".kerf.v1.NewToken",
        ])
        .compile_fds(descriptors)?;
    Ok(())
}
