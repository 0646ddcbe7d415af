//! Two texts of NCCL's, compared up to the order of siblings and attributes, and up to what no sysfs holds.

use roxmltree::{Document, Node};

/// Attributes that no sysfs holds, of any element and of a `cpu`.
const ANYWHERE: [&str; 9] = [
    "host_hash",
    "rank",
    "dev",
    "keep",
    "coll",
    "guid",
    "maxconn",
    "latency",
    "port",
];
const OF_CPU: [&str; 5] = ["affinity", "arch", "familyid", "modelid", "vendor"];
/// Classes of devices that compute: a file without GPUs gains one for each.
const COMPUTE: [&str; 2] = ["0x0302", "0x1200"];

/// What is in one of them alone, as lines that begin with `-` for the first and `+` for the second.
pub fn differences(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (parse(before), parse(after));
    let has_gpus = is_any(&before, "gpu");
    let mut wrong = Vec::new();
    if !has_gpus {
        wrong.extend(gained(&after));
    }
    let mut left = lines(before.root_element(), true);
    let mut right = lines(after.root_element(), has_gpus);
    left.sort();
    right.sort();
    let only = |these: &[String], others: &[String], sign: char| -> Vec<String> {
        let count = |all: &[String], line: &String| all.iter().filter(|one| *one == line).count();
        let alone = these
            .iter()
            .filter(|line| count(these, line) > count(others, line));
        alone.map(|line| format!("{sign} {line}")).collect()
    };
    wrong.extend(only(&left, &right, '-'));
    wrong.extend(only(&right, &left, '+'));
    wrong
}

fn parse(text: &str) -> Document<'_> {
    Document::parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn is_any(document: &Document<'_>, name: &str) -> bool {
    document.descendants().any(|node| node.has_tag_name(name))
}

/// Devices that have not gained the GPU that they must, or that they must not.
fn gained(document: &Document<'_>) -> Vec<String> {
    let devices = document
        .descendants()
        .filter(|node| node.has_tag_name("pci"));
    let wrong = devices.filter(|pci| {
        let gpus = pci
            .children()
            .filter(|node| node.has_tag_name("gpu"))
            .count();
        let class = pci.attribute("class").unwrap_or_default();
        let computes = COMPUTE.iter().any(|computes| class.starts_with(computes));
        gpus != usize::from(computes)
    });
    wrong
        .map(|pci| format!("GPUs of {:?}", pci.attribute("busid")))
        .collect()
}

/// Every element as a line: its own attributes, behind what it stands in.
fn lines(node: Node<'_, '_>, with_gpus: bool) -> Vec<String> {
    let mut all = vec![path(node)];
    for child in node.children().filter(Node::is_element) {
        if with_gpus || !child.has_tag_name("gpu") {
            all.extend(lines(child, with_gpus));
        }
    }
    all
}

fn path(node: Node<'_, '_>) -> String {
    let mut own: Vec<String> = node
        .attributes()
        .filter(|attribute| {
            let is_of_cpu = node.has_tag_name("cpu") && OF_CPU.contains(&attribute.name());
            !is_of_cpu && !ANYWHERE.contains(&attribute.name())
        })
        .map(|attribute| format!("{}={}", attribute.name(), attribute.value()))
        .collect();
    own.sort();
    let own = format!("{}[{}]", node.tag_name().name(), own.join(" "));
    let above = node.ancestors().skip(1).filter(Node::is_element);
    let above = above.map(|above| above.attribute("busid").or(above.attribute("numaid")));
    let mut above: Vec<&str> = above.flatten().collect();
    above.reverse();
    format!("{} {own}", above.join("/"))
}

#[test]
fn a_difference_is_seen() {
    let one =
        r#"<system version="1"><cpu numaid="0"><pci busid="a" class="0x030200"/></cpu></system>"#;
    assert_eq!(differences(one, one), ["GPUs of Some(\"a\")"]);
    let with = one.replace("/></cpu>", r#"><gpu sm="90"/></pci></cpu>"#);
    assert!(differences(one, &with).is_empty());
    assert!(differences(&with, &with).is_empty());
    let other = with.replace("90", "80");
    assert_eq!(differences(&with, &other).len(), 2);
    let other = with.replace("numaid=\"0\"", "numaid=\"0\" affinity=\"f\" rank=\"1\"");
    assert!(differences(&with, &other).is_empty());
    let twice = with.replace("<gpu sm=\"90\"/>", "<gpu sm=\"90\"/><gpu sm=\"90\"/>");
    assert_eq!(differences(&with, &twice).len(), 2);
}
