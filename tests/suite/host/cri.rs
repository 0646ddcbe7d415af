//! CRI as a kubelet speaks it: the few calls that a pod with one container takes, and no async outside.
//!
//! The messages are written by hand with the fields that tests set or read; their numbers are those of
//! `runtime/v1/api.proto` of k8s.io/cri-api.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// How long one call may take on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The host's network, so that no plugin has to make one.
const NODE: i32 = 2;

#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub uid: String,
    #[prost(string, tag = "3")]
    pub namespace: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct PodConfig {
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<Metadata>,
    #[prost(string, tag = "4")]
    pub log_directory: String,
    #[prost(map = "string, string", tag = "7")]
    pub annotations: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<PodLinux>,
}

#[derive(Clone, PartialEq, Message)]
struct PodLinux {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security: Option<PodSecurity>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSecurity {
    #[prost(message, optional, tag = "1")]
    namespaces: Option<Namespaces>,
}

#[derive(Clone, PartialEq, Message)]
struct Namespaces {
    #[prost(int32, tag = "1")]
    network: i32,
}

#[derive(Clone, PartialEq, Message)]
struct RunPod {
    #[prost(message, optional, tag = "1")]
    config: Option<PodConfig>,
    #[prost(string, tag = "2")]
    handler: String,
}

/// A message with one id: what most calls send or answer.
#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

/// An image, or a CDI device.
#[derive(Clone, PartialEq, Message)]
pub struct Named {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<Named>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
    #[prost(map = "string, string", tag = "10")]
    annotations: HashMap<String, String>,
    #[prost(string, tag = "11")]
    log_path: String,
    #[prost(message, repeated, tag = "17")]
    cdi_devices: Vec<Named>,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainer {
    #[prost(string, tag = "1")]
    pod: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    pod_config: Option<PodConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct ExecSync {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, repeated, tag = "2")]
    command: Vec<String>,
    #[prost(int64, tag = "3")]
    timeout_s: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Said {
    #[prost(bytes = "vec", tag = "1")]
    stdout: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    stderr: Vec<u8>,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

/// A running pod: its id, and the configuration that every container of it names again.
#[derive(Debug, Clone)]
pub struct Pod {
    pub id: String,
    config: PodConfig,
}

/// What a container of a pod asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asks<'a> {
    pub annotations: &'a [(&'a str, &'a str)],
    pub cdi: &'a [&'a str],
}

/// The way to the CRI service of one containerd.
pub struct Cri {
    socket: PathBuf,
    cgroup_parent: String,
    runtime: Runtime,
}

impl Cri {
    /// Pods get their cgroups below `group`, which is the caller's own.
    pub fn new(socket: &Path, group: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self {
            socket: socket.to_path_buf(),
            cgroup_parent: format!("/{group}"),
            runtime: runtime.expect("a runtime"),
        }
    }

    fn call<Q, A>(&self, method: &str, message: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path: PathAndQuery = format!("/runtime.v1.RuntimeService/{method}")
            .parse()
            .expect("a path");
        let work = async {
            let socket = self.socket.clone();
            let connector = tower::service_fn(move |_| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            });
            let endpoint = Endpoint::from_static("http://localhost");
            let channel = endpoint.connect_with_connector(connector).await;
            let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
            let mut grpc = tonic::client::Grpc::new(channel);
            let unready = |error: tonic::transport::Error| Status::unavailable(error.to_string());
            grpc.ready().await.map_err(unready)?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = grpc.unary(Request::new(message), path, codec).await?;
            Ok(answer.into_inner())
        };
        self.runtime.block_on(async {
            let late = |_| Status::deadline_exceeded(format!("{method} gave no answer"));
            tokio::time::timeout(LIMIT, work).await.map_err(late)?
        })
    }

    /// Starts a pod's sandbox with a runtime handler.
    pub fn pod(
        &self,
        name: &str,
        handler: &str,
        annotations: &[(&str, &str)],
    ) -> Result<Pod, Status> {
        let namespaces = Some(Namespaces { network: NODE });
        let config = PodConfig {
            metadata: Some(Metadata {
                name: name.to_owned(),
                uid: format!("uid-{name}"),
                namespace: "tests".to_owned(),
            }),
            log_directory: String::new(),
            annotations: owned(annotations),
            linux: Some(PodLinux {
                cgroup_parent: self.cgroup_parent.clone(),
                security: Some(PodSecurity { namespaces }),
            }),
        };
        let request = RunPod {
            config: Some(config.clone()),
            handler: handler.to_owned(),
        };
        let Id { id } = self.call("RunPodSandbox", request)?;
        Ok(Pod { id, config })
    }

    /// Makes a container of an image in a pod and starts it; returns its id.
    pub fn run(
        &self,
        pod: &Pod,
        name: &str,
        image: &str,
        asks: Asks<'_>,
        script: &str,
    ) -> Result<String, Status> {
        let named = |name: &&str| Named {
            name: (*name).to_owned(),
        };
        let config = ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: name.to_owned(),
            }),
            image: Some(named(&image)),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            annotations: owned(asks.annotations),
            log_path: String::new(),
            cdi_devices: asks.cdi.iter().map(named).collect(),
        };
        let request = CreateContainer {
            pod: pod.id.clone(),
            config: Some(config),
            pod_config: Some(pod.config.clone()),
        };
        let container: Id = self.call("CreateContainer", request)?;
        let _: Nothing = self.call("StartContainer", container.clone())?;
        Ok(container.id)
    }

    /// Runs a script in a running container to its end; returns what it printed.
    pub fn exec(&self, id: &str, script: &str) -> String {
        let request = ExecSync {
            id: id.to_owned(),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            timeout_s: 60,
        };
        let said: Said = self.call("ExecSync", request).expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(said.code, 0, "{}", text(&said.stderr));
        text(&said.stdout)
    }

    /// Ends a pod with everything in it.
    pub fn end(&self, pod: &Pod) {
        let id = || Id { id: pod.id.clone() };
        let _: Nothing = self.call("StopPodSandbox", id()).expect("it stops");
        let _: Nothing = self.call("RemovePodSandbox", id()).expect("it goes");
    }
}

fn owned(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
