//! What every call has around it: who may make it, and what is counted of it.

use std::time::Instant;

use tonic::{Request, Response, Status};

use super::auth::{Peer, Role};
use super::{Service, status};

impl Service {
    /// Lets a call through for peers with at least this role, and counts it.
    pub(super) fn admit<T>(&self, request: &Request<T>, least: Role) -> Result<Peer, Status> {
        let access = self.config.borrow().config.access.clone();
        Peer::of(request, &access)?.require(least)
    }

    /// Lets a call through that is the same for whoever may make it, and says when it began.
    pub(super) fn begin<T>(&self, request: &Request<T>, least: Role) -> Result<Instant, Status> {
        let begun = Instant::now();
        self.admit(request, least)?;
        Ok(begun)
    }

    /// Counts a call with its outcome and time.
    pub(super) fn counted<T>(
        &self,
        method: &'static str,
        begun: Instant,
        outcome: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let code = match &outcome {
            Ok(_) => "ok",
            Err(status) => status::code_word(status.code()),
        };
        self.metrics.rpc_calls.inc([method, code]);
        self.metrics
            .rpc_duration
            .observe([method], begun.elapsed().as_secs_f64());
        outcome.map(Response::new)
    }
}
