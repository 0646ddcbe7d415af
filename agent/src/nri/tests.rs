//! The plugin against an engine that a test plays, and an owner that a test plays too.

use std::collections::BTreeMap;

use kerf_nri::{mux, ttrpc, wire};
use kerf_runtime::frame::Grant;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::*;
use crate::config::file::FileConfig;
use crate::host::{Command, PodCommand, fixture};

/// How long anything may take on a machine under load.
const LIMIT: Duration = Duration::from_secs(30);

/// The plugin, the engine's socket and the owner's inbox.
struct World {
    listener: UnixListener,
    inbox: mpsc::Receiver<Command>,
    plugin: JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.plugin.abort();
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("nri.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let mut config = FileConfig::default()
            .resolve(Path::new("/"), "test")
            .expect("the usual configuration");
        config.launch.nri = Some(socket);
        let (host, inbox) = fixture::handle(&config);
        let loaded = LoadedConfig {
            config,
            files: Vec::new(),
        };
        let plugin = Plugin {
            config: watch::Sender::new(Arc::new(loaded)).subscribe(),
            host,
            metrics: Arc::new(SelfMetrics::try_new().expect("counters")),
        };
        Self {
            listener,
            inbox,
            plugin: tokio::spawn(plugin.run()),
            _folder: folder,
        }
    }

    async fn connected(&self) -> Wire {
        let accepted = tokio::time::timeout(LIMIT, self.listener.accept()).await;
        let (stream, _) = accepted.expect("in time").expect("a connection");
        Wire {
            stream,
            frames: mux::Reader::default(),
            messages: ttrpc::Reader::default(),
        }
    }

    async fn told(&mut self) -> PodCommand {
        let told = tokio::time::timeout(LIMIT, self.inbox.recv()).await;
        let Ok(Some(Command::Pod(command))) = told else {
            panic!("a command about a pod, not {told:?}");
        };
        *command
    }
}

/// The engine's end of a connection.
struct Wire {
    stream: UnixStream,
    frames: mux::Reader,
    messages: ttrpc::Reader,
}

impl Wire {
    async fn send(&mut self, connection: u32, message: &[u8]) {
        let mut bytes = Vec::new();
        mux::write(connection, message, &mut bytes);
        self.stream.write_all(&bytes).await.expect("it is read");
    }

    async fn call(&mut self, stream: u32, method: &str, message: &impl prost::Message) {
        let service = "nri.pkg.api.v1alpha1.Plugin";
        let call = ttrpc::request(stream, service, method, message.encode_to_vec());
        self.send(mux::PLUGIN, &call).await;
    }

    async fn next(&mut self) -> ttrpc::Frame {
        let mut frames = Vec::new();
        while frames.is_empty() {
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(LIMIT, self.stream.read(&mut buffer)).await;
            let read = read.expect("in time").expect("bytes");
            assert_ne!(read, 0, "the plugin hung up");
            let mut pieces = Vec::new();
            self.frames
                .push(&buffer[..read], &mut pieces)
                .expect("frames");
            for (_, piece) in pieces {
                self.messages.push(piece, &mut frames).expect("messages");
            }
        }
        assert_eq!(frames.len(), 1);
        frames.remove(0)
    }

    async fn answer(&mut self) -> Result<Vec<u8>, String> {
        match self.next().await {
            ttrpc::Frame::Response { outcome, .. } => outcome,
            call => panic!("an answer, not {call:?}"),
        }
    }

    /// Registers the plugin and tells it of these containers; the last answer is not read.
    async fn begin(&mut self, request_timeout: i64, containers: &[wire::Container]) {
        let ttrpc::Frame::Request { stream, .. } = self.next().await else {
            panic!("a registration");
        };
        self.send(mux::RUNTIME, &ttrpc::success(stream, Vec::new()))
            .await;
        let said = wire::ConfigureRequest {
            runtime_name: "containerd".to_owned(),
            runtime_version: "v2.1.9".to_owned(),
            request_timeout,
        };
        self.call(1, "Configure", &said).await;
        self.answer().await.expect("an answer");
        let all = wire::SynchronizeRequest {
            containers: containers
                .iter()
                .map(prost::Message::encode_to_vec)
                .collect(),
            ..wire::SynchronizeRequest::default()
        };
        self.call(3, "Synchronize", &all).await;
    }
}

fn subject(asks: &[(&str, &str)]) -> wire::SubjectRequest {
    let annotations: BTreeMap<String, String> = asks
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    wire::SubjectRequest {
        pod: Some(wire::PodSandbox {
            id: "5f".to_owned(),
            uid: "b1c7".to_owned(),
            namespace: "team-a".to_owned(),
            annotations,
            ..wire::PodSandbox::default()
        }),
        container: Some(wire::Container {
            id: "c1".to_owned(),
            name: "main".to_owned(),
            ..wire::Container::default()
        }),
    }
}

#[tokio::test]
async fn a_container_gets_what_its_pod_asks_for_or_a_reason() {
    let mut world = World::new();
    let mut engine = world.connected().await;
    engine.begin(60_000, &[]).await;
    engine.answer().await.expect("there is nothing");
    // No ask: nobody is troubled.
    engine.call(5, "CreateContainer", &subject(&[])).await;
    assert_eq!(engine.answer().await, Ok(Vec::new()));
    let asks = [("kerf.dev/accelerator", "1g.10gb")];
    engine.call(7, "CreateContainer", &subject(&asks)).await;
    let PodCommand::Make {
        who, ask, reply, ..
    } = world.told().await
    else {
        panic!("a container to be made");
    };
    assert_eq!(
        (
            who.sandbox.as_str(),
            who.uid.as_str(),
            who.namespace.as_str()
        ),
        ("5f", "b1c7", "team-a")
    );
    assert_eq!(who.container.to_string(), "k8s.io/c1");
    assert_eq!(ask, crate::host::PodAsk::Accelerator("1g.10gb".to_owned()));
    let grant = Grant {
        lease_id: "l1".to_owned(),
        ..Grant::default()
    };
    reply.send(Ok(grant)).expect("somebody waits");
    let payload = engine.answer().await.expect("an adjustment");
    let answer: wire::CreateContainerResponse =
        prost::Message::decode(payload.as_slice()).expect("an answer");
    let adjust = answer.adjust.expect("an adjustment");
    assert_eq!(adjust.annotations["kerf.dev/lease"], "l1");
    assert_eq!(adjust.cdi_devices[0].name, "kerf.dev/lease=l1");
    engine.call(9, "CreateContainer", &subject(&asks)).await;
    let PodCommand::Make { reply, .. } = world.told().await else {
        panic!("a container to be made");
    };
    let refused = crate::host::HostError::NotAllowed {
        namespace: "k8s.io".to_owned(),
        ask: "1g.10gb".to_owned(),
    };
    reply.send(Err(refused)).expect("somebody waits");
    let reason = engine.answer().await.expect_err("a refusal");
    // Nor is anybody at the start of a container that nothing was promised to.
    engine.call(11, "StartContainer", &subject(&asks)).await;
    assert_eq!(engine.answer().await, Ok(Vec::new()));
    assert!(
        reason.contains(r#"namespace "k8s.io" may not ask for "1g.10gb""#),
        "{reason}"
    );
    assert!(reason.contains("[launch.asks]"), "{reason}");
}

#[tokio::test]
async fn an_owner_that_does_not_answer_is_a_refusal_in_time() {
    let mut world = World::new();
    let mut engine = world.connected().await;
    engine.begin(400, &[]).await;
    engine.answer().await.expect("there is nothing");
    let asks = [("kerf.dev/accelerator", "1g.10gb")];
    engine.call(5, "CreateContainer", &subject(&asks)).await;
    let PodCommand::Make { reply, .. } = world.told().await else {
        panic!("a container to be made");
    };
    let reason = engine.answer().await.expect_err("a refusal");
    assert!(reason.contains("has not decided within 300 ms"), "{reason}");
    assert!(reply.is_closed(), "nobody waits any more");
    // The others are not held up by it.
    engine.call(7, "CreateContainer", &subject(&[])).await;
    assert_eq!(engine.answer().await, Ok(Vec::new()));
}

#[tokio::test]
async fn an_engine_that_comes_back_tells_of_all_again() {
    let mut world = World::new();
    let mut engine = world.connected().await;
    let running = wire::Container {
        id: "c1".to_owned(),
        state: 3,
        pid: 42,
        annotations: [("kerf.dev/lease".to_owned(), "l1".to_owned())].into(),
        ..wire::Container::default()
    };
    for round in 0..2 {
        engine.begin(60_000, std::slice::from_ref(&running)).await;
        let PodCommand::Start {
            container,
            lease,
            pid,
            reply,
        } = world.told().await
        else {
            panic!("a container that runs");
        };
        assert_eq!(
            (container.id.as_str(), lease.as_deref(), pid),
            ("c1", Some("l1"), Some(42))
        );
        // Whatever is wrong with one, the engine goes on.
        reply
            .send(Err(crate::host::HostError::Draining))
            .expect("somebody waits");
        engine.answer().await.expect("an answer");
        if round == 0 {
            drop(engine);
            engine = world.connected().await;
        }
    }
}
