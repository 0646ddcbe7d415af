//! What is replaced, and that files agree afterwards.

use serde_json::json;

use super::Redactor;

const UUID: &str = "84596284-f72d-414b-b5b6-bf5e48d82489";
const FIRST: &str = "00000000-0000-0000-0000-000000000001";

#[test]
fn a_uuid_is_the_same_placeholder_everywhere() {
    let mut redactor = Redactor::new(false);
    let list = format!("GPU 0: A (UUID: GPU-{UUID})\n  MIG 1g.5gb Device 0: (UUID: MIG-{UUID})");
    let expected =
        format!("GPU 0: A (UUID: GPU-{FIRST})\n  MIG 1g.5gb Device 0: (UUID: MIG-{FIRST})");
    assert_eq!(redactor.text(&list), expected);
    let document = json!({ "gpus": [{ "uuid": format!("GPU-{UUID}") }], "count": 1 });
    let expected = json!({ "gpus": [{ "uuid": format!("GPU-{FIRST}") }], "count": 1 });
    assert_eq!(redactor.document(&document), expected);
    let none = "ClusterUUID : 00000000-0000-0000-0000-000000000000\n";
    assert_eq!(redactor.text(none), none);
    let not_quite = "0x84596284-f72d-414b-b5b6-bf5e48d8248 überall\n";
    assert_eq!(redactor.text(not_quite), not_quite);
}

#[test]
fn numbers_of_a_board_keep_their_shape() {
    let mut redactor = Redactor::new(false);
    let text = "    Serial Number     : 1654922000123\n    GPU PDI     : 0xd52bae2e458244e2\n    \
                Chassis Serial Number     : N/A\n    Board ID     : 0x9\n";
    let expected = "    Serial Number     : 0000000000001\n    GPU PDI     : 0x0000000000000002\n    \
                    Chassis Serial Number     : N/A\n    Board ID     : 0x9\n";
    assert_eq!(redactor.text(text), expected);
    let line = redactor.query(
        "0, NVIDIA H100, 1654922000123\n",
        &["index", "name", "serial"],
    );
    assert_eq!(line, "0, NVIDIA H100, 0000000000001\n");
    let document = json!({ "host": "node-1", "serial": "1654922000123" });
    let expected = json!({ "host": "host", "serial": "0000000000001" });
    assert_eq!(redactor.document(&document), expected);
}

#[test]
fn names_of_processes_go_even_where_serials_stay() {
    let mut redactor = Redactor::new(true);
    let text = format!(
        "    Serial Number : 1654922000123\n    GPU UUID : GPU-{UUID}\n            Name : /home/ann/train.py\n"
    );
    let expected = format!(
        "    Serial Number : 1654922000123\n    GPU UUID : GPU-{UUID}\n            Name : redacted-1\n"
    );
    assert_eq!(redactor.text(&text), expected);
    assert_eq!(
        redactor.query("1654922000123", &["serial"]),
        "1654922000123"
    );
    let document = json!({ "host": "node-1", "serial": "1654922000123", "uuid": UUID });
    let expected = json!({ "host": "host", "serial": "1654922000123", "uuid": UUID });
    assert_eq!(redactor.document(&document), expected);
}
