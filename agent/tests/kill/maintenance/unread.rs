//! What GPUs had before maintenance stands in a text that does not read: it is told, and kept for who can read it until
//! a layout was applied for every GPU.

use rusqlite::Connection;
use serde_json::Value;

use crate::course::at_rest;
use crate::judge::documents;
use crate::lane::Lane;
use crate::life::{Alive, End};
use crate::script::{Op, Runtime, carry_out};

/// What somebody has left in the place of the layout.
const DAMAGE: &str = "{a newer kerfd's";

/// Name of the entry about it.
const ENTRY: &str = "layout before maintenance";

fn store(lane: &Lane) -> Connection {
    Connection::open(lane.config.paths.state_dir.join("state.db")).expect("the store")
}

/// Does one thing in a life of its own; whether the entry stands at its end.
fn live(lane: &Lane, runtime: &Runtime, op: Option<Op>) -> bool {
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        lane.forget_workers();
        if let Some(op) = op {
            carry_out(&alive.host, runtime, &op).await.expect("done");
        }
        let view = alive.host.view();
        view.degraded.contains_key(ENTRY)
    });
    let End::Done(is_told) = end else {
        panic!("nothing kills it");
    };
    is_told
}

fn unread(lane: &Lane) -> Vec<Value> {
    let kept = documents(&store(lane), "layout").remove(0);
    kept["unread"].as_array().expect("texts").clone()
}

#[test]
fn what_does_not_read_of_it_is_told_and_kept() {
    let (lane, runtime) = (Lane::new("h100x8", 2), Runtime::start());
    let cut = |gpu: u32| {
        let layout = format!(r#"{{"rules":[{{"gpus":[{gpu}],"slices":{{"1g.10gb":1}}}}]}}"#);
        Some(Op::apply(&layout, true))
    };
    assert!(!live(&lane, &runtime, cut(0)));
    assert!(!live(&lane, &runtime, Some(Op::Enter { gpu: None })));
    let damage = "UPDATE maintenance SET document = json_set(document, '$.before', ?1)";
    let changed = store(&lane).execute(damage, [DAMAGE]).expect("written");
    assert_eq!(changed, 1);
    assert!(live(&lane, &runtime, Some(Op::Leave)), "it is told");
    assert!(live(&lane, &runtime, None), "and again at the next start");
    assert!(live(&lane, &runtime, cut(0)), "the other GPU is still due");
    let texts = unread(&lane);
    assert_eq!((texts.len(), &texts[0]["text"]), (1, &Value::from(DAMAGE)));
    assert!(!live(&lane, &runtime, cut(1)));
    assert_eq!(unread(&lane), [Value::Null; 0]);
}
