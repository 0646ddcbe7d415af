//! Events as containerd sends them, and as it should not.

use containerd_client::events::{TaskExit, TaskOom};
use containerd_client::types::Envelope;
use kerf_types::ContainerRef;
use prost::Message;
use prost_types::Any;

use super::{EXIT, Hint, OOM, hint};

fn envelope(topic: &str, value: Vec<u8>) -> Envelope {
    Envelope {
        timestamp: None,
        namespace: "kerf".to_owned(),
        topic: topic.to_owned(),
        event: Some(Any {
            type_url: String::new(),
            value,
        }),
    }
}

fn exit(container_id: &str, id: &str) -> Vec<u8> {
    let event = TaskExit {
        container_id: container_id.to_owned(),
        id: id.to_owned(),
        ..TaskExit::default()
    };
    event.encode_to_vec()
}

#[test]
fn only_the_first_process_ends_a_container() {
    let job = ContainerRef::try_new("kerf", "job").expect("a name");
    let found = hint(&envelope(EXIT, exit("job", "job")));
    assert_eq!(found, Some(Hint::Exited(job.clone())));
    assert_eq!(hint(&envelope(EXIT, exit("job", "exec-1"))), None);
    let event = TaskOom {
        container_id: "job".to_owned(),
    };
    let found = hint(&envelope(OOM, event.encode_to_vec()));
    assert_eq!(found, Some(Hint::OutOfMemory(job)));
}

#[test]
fn what_cannot_be_read_is_no_hint() {
    assert_eq!(hint(&envelope("/tasks/start", exit("job", "job"))), None);
    assert_eq!(hint(&envelope(EXIT, vec![0xff, 0xff])), None);
    assert_eq!(hint(&envelope(EXIT, exit("../x", "../x"))), None);
    assert_eq!(hint(&Envelope::default()), None);
}
