//! A fleet that is made up, as the document that people and programs see.

use kerf_api::json::Nodes;

use super::nodes;
use crate::fleet::summary::tests::fleet;

#[test]
fn a_fleet_becomes_a_document() {
    let document = Nodes::from(&nodes(&fleet()));
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).expect("it writes"));
}
