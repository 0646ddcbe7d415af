//! Descriptions that no machine can be made of.

use super::super::describe::{Description, Function, Holds, Links, Net, NvidiaGpu};
use super::super::plan::plan;
use super::super::{ImportError, has_library};
use super::{amd, bdf, description, function, links, net, nvidia, pair};
use crate::model::spec::Bdf;

fn refused(told: &Description) -> ImportError {
    plan(told).expect_err("it is refused")
}

#[test]
fn a_bus_without_room_is_said() {
    let mut all: Vec<Function> = (0..=u8::MAX)
        .map(|bus| function(bdf(bus, 0), None, Holds::Nothing))
        .collect();
    let full = refused(&description(all.clone()));
    assert!(
        matches!(full, ImportError::NoBus { domain: 0, .. }),
        "{full}"
    );
    all.pop();
    plan(&description(all)).expect("one bus is left");
    let many = (0..=u8::MAX).map(|place| Bdf {
        domain: 0,
        bus: 1,
        device: place / 8,
        function: place % 8,
    });
    let mut many: Vec<Function> = many
        .map(|bdf| function(bdf, None, Holds::Nothing))
        .collect();
    plan(&description(many.clone())).expect("a port for each");
    many.push(function(bdf(2, 0), None, Holds::Nothing));
    let many = refused(&description(many));
    assert!(matches!(many, ImportError::NoPort { .. }), "{many}");
}

#[test]
fn what_no_machine_can_be_is_refused() {
    let told = |change: fn(&mut Description)| {
        let mut told = pair();
        change(&mut told);
        refused(&told)
    };
    let set_links = |told: &mut Description, all: &[Links]| told.functions[1].holds = nvidia(all);
    for name in ["", "h100x8"] {
        let mut named = pair();
        name.clone_into(&mut named.name);
        let named = refused(&named);
        assert!(matches!(named, ImportError::Name { .. }), "{named}");
    }
    let empty = told(|told| told.functions.clear());
    assert!(matches!(empty, ImportError::Empty), "{empty}");
    let many = told(|told| told.functions = vec![told.functions[0].clone(); 1_025]);
    assert!(
        matches!(many, ImportError::TooMany { limit: 1_024 }),
        "{many}"
    );
    let far = told(|told| told.functions[0].node = 64);
    assert!(matches!(far, ImportError::Node { node: 64, .. }), "{far}");
    let twice = told(|told| told.functions[2].bdf = bdf(0x12, 0));
    assert!(matches!(twice, ImportError::Twice { .. }), "{twice}");
    let place = told(|told| told.functions[1].parent = Some(2));
    assert!(matches!(place, ImportError::Place { .. }), "{place}");
    let makers = told(|told| told.functions[2].holds = amd(&[]));
    assert!(matches!(makers, ImportError::Makers { .. }), "{makers}");
    let compute = told(|told| {
        told.functions[2].holds = Holds::Nvidia(NvidiaGpu {
            compute: Some((8, 0)),
            links: Vec::new(),
        });
    });
    assert!(
        matches!(
            compute,
            ImportError::Compute {
                told: (8, 0),
                own: (9, 0),
                ..
            }
        ),
        "{compute}"
    );
    let mut more = pair();
    set_links(&mut more, &[links(bdf(0x40, 0), true, 19)]);
    let more = refused(&more);
    assert!(
        matches!(
            more,
            ImportError::Links {
                links: 19,
                most: 18,
                ..
            }
        ),
        "{more}"
    );
    let mut nowhere = pair();
    set_links(&mut nowhere, &[links(bdf(0x10, 0), false, 1)]);
    let nowhere = refused(&nowhere);
    assert!(matches!(nowhere, ImportError::Target { .. }), "{nowhere}");
}

#[test]
fn gpus_of_several_products_or_of_an_unknown_one_have_no_library() {
    assert!(has_library(&pair()));
    for device in [None, Some(0x20b0), Some(0x1db1)] {
        let mut told = pair();
        told.functions[2].device = device;
        assert!(!has_library(&told), "{device:?}");
        plan(&told).expect("a machine of which the kernel alone tells");
    }
}

#[test]
fn interfaces_have_names_and_functions_of_their_own() {
    let card = |function_number, nets: &[Net]| {
        let nets = Holds::Nets(nets.to_vec());
        description(vec![function(bdf(0x30, function_number), None, nets)])
    };
    for name in ["", ".", "..", "a/b", "a b", "a:b", "a\n", &"x".repeat(64)] {
        let error = refused(&card(0, &[net(name, true)]));
        assert!(
            matches!(error, ImportError::NetName { .. }),
            "{name:?}: {error}"
        );
    }
    assert!(matches!(
        refused(&card(0, &[net("interface0123456", false)])),
        ImportError::NetName { .. }
    ));
    let same = refused(&card(0, &[net("a", true), net("a", true)]));
    assert!(matches!(same, ImportError::NetTwice { .. }), "{same}");
    let kinds = refused(&card(0, &[net("a", true), net("b", false)]));
    assert!(matches!(kinds, ImportError::NetKinds { .. }), "{kinds}");
    let second = refused(&card(1, &[net("a", true), net("b", true)]));
    assert!(
        matches!(second, ImportError::NetFunctions { count: 2, .. }),
        "{second}"
    );
    let nine: Vec<Net> = (0..9).map(|at| net(&at.to_string(), true)).collect();
    assert!(matches!(
        refused(&card(0, &nine)),
        ImportError::NetFunctions { count: 9, .. }
    ));
    let mut taken = card(0, &[net("a", true), net("b", true)]);
    taken
        .functions
        .push(function(bdf(0x30, 1), None, Holds::Nothing));
    assert!(matches!(refused(&taken), ImportError::NetFunctions { .. }));
    plan(&card(0, &nine[..8])).expect("a card has eight functions");
}
