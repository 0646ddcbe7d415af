//! IMEX channels of drivers that count them, that do not, and that lie.

use kerf_types::map::ImexChannels;

use super::tree;
use crate::sysfs::{Reader, imex};

const LOADED: &str = "Character devices:\n600 nvidia-caps-imex-channels\n";
const PARAMS: &str = "proc/driver/nvidia/params";

fn check(files: &[(&str, &str)], expected: Option<(Option<u32>, &[u32])>, odd: usize) {
    let (_folder, root) = tree(files);
    let reader = Reader::new(&root);
    let expected = expected.map(|(count, nodes)| ImexChannels {
        count,
        nodes: nodes.to_vec(),
    });
    assert_eq!(imex::channels(&reader), expected, "{files:?}");
    assert_eq!(reader.into_oddities().len(), odd, "{files:?}");
}

#[test]
fn channels_are_those_that_the_driver_counts() {
    let devices = ("proc/devices", LOADED);
    let node = ("dev/nvidia-caps-imex-channels/channel7", "");
    check(&[], None, 0);
    check(&[(PARAMS, "ImexChannelCount: 2048\n"), node], None, 0);
    check(&[devices], Some((None, &[])), 0);
    check(&[devices, node], Some((None, &[7])), 0);
    let params = "DeviceFileMode: 438\nImexChannelCount: 2048\nCreateImexChannel0: 0\n";
    check(
        &[devices, (PARAMS, params), node],
        Some((Some(2_048), &[7])),
        0,
    );
    for lie in ["-1", "many", "", "4294967295", "99999999999999999999"] {
        let params = format!("ImexChannelCount: {lie}\n");
        check(&[devices, (PARAMS, &params)], Some((None, &[])), 1);
    }
    let names = [
        "channel",
        "channel01",
        "channelx",
        "channel4294967296",
        "channel65536",
    ];
    let names = names.map(|name| format!("dev/nvidia-caps-imex-channels/{name}"));
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    check(
        &[&[devices], files.as_slice()].concat(),
        Some((None, &[])),
        0,
    );
}

#[test]
fn the_lowest_free_channel_is_given() {
    let with = |count, nodes: &[u32]| ImexChannels {
        count,
        nodes: nodes.to_vec(),
    };
    let taken = |channel| channel < 2;
    assert_eq!(with(Some(3), &[]).free(taken), Some(2));
    assert_eq!(with(Some(2), &[5]).free(taken), None);
    assert_eq!(with(None, &[0, 5]).free(taken), Some(5));
    assert!(with(None, &[]).is_empty() && with(Some(0), &[5]).is_empty());
}
