//! The wire and document formats of kerf.
//!
//! [`v1`] is kerfd's gRPC API, [`partitioner::v1`] the protocol between kerfd and its privileged worker, and
//! [`peer::v1`] what the hosts of a fleet say to each other; all are generated from `proto/`. [`convert`] turns them into `kerf-types` and back, checking every value
//! on the way in. [`frame`] cuts a stream into messages. [`json`] holds the documents that people and programs see.

#![forbid(unsafe_code)]

pub mod convert;
#[cfg(test)]
mod example;
pub mod frame;
pub mod json;

/// kerfd's API, package `kerf.v1`.
pub mod v1 {
    #![expect(
        missing_docs,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code; the words stand in the .proto files"
    )]
    tonic::include_proto!("kerf.v1");
}

/// The protocol between kerfd and its privileged worker.
pub mod partitioner {
    /// Package `kerf.partitioner.v1`.
    pub mod v1 {
        #![expect(
            missing_docs,
            reason = "generated code; the words stand in the .proto files"
        )]
        tonic::include_proto!("kerf.partitioner.v1");
    }
}

/// What the hosts of a fleet say to each other.
pub mod peer {
    /// Package `kerf.peer.v1`.
    pub mod v1 {
        #![expect(
            missing_docs,
            clippy::allow_attributes,
            clippy::allow_attributes_without_reason,
            reason = "generated code; the words stand in the .proto files"
        )]
        tonic::include_proto!("kerf.peer.v1");
    }
}
