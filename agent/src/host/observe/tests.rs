//! What is told of devices that go, and what is read after the driver was loaded anew.

use std::fs;
use std::sync::Arc;

use kerf_api::partitioner::v1::{Failure, Opened, failure, response::Outcome};
use kerf_api::v1;
use kerf_types::map::PciFunction;
use kerf_types::{HostMap, PciAddress};

use crate::hardware::HardwareError;
use crate::host::bench::{Bench, answers};
use crate::host::fixture;

fn stuck() -> HardwareError {
    HardwareError::Stuck {
        operation: "reading it".to_owned(),
    }
}

fn with(functions: &[PciAddress]) -> HostMap {
    let all = functions.iter();
    HostMap {
        pci: all
            .map(|address| PciFunction::at(*address, String::new()))
            .collect(),
        ..HostMap::default()
    }
}

/// The next look at the host sees these functions, and these AMD GPUs served.
fn look(bench: &mut Bench, functions: &[PciAddress], amd: &[PciAddress]) {
    let map = with(functions);
    bench.host.tell_changes(&[], &[], &map, amd);
    bench.host.inventory.map = Arc::new(map);
}

/// What was told since.
fn news(bench: &mut Bench, before: usize) -> Vec<String> {
    bench.host.publish();
    bench.told().split_off(before)
}

/// An owner that has seen a device at this address and something else, which is the other address.
fn bench_with(pci: PciAddress) -> (Bench, PciAddress) {
    let mut bench = Bench::new();
    let other = "0000:99:00.0".parse().expect("an address");
    bench.host.inventory.map = Arc::new(with(&[pci, other]));
    (bench, other)
}

#[tokio::test]
async fn an_amd_gpu_that_was_silent_and_goes_is_told_of_once() {
    let gpu = fixture::amd(0);
    let pci = gpu.pci;
    let (mut bench, other) = bench_with(pci);
    bench.host.take_amd(gpu);
    bench.host.amd_failed(pci, &stuck());
    let before = news(&mut bench, 0).len();
    for _ in 0..2 {
        look(&mut bench, &[other], &[]);
        bench.host.observe_amd(&[]).await;
    }
    let lost = format!("health amd gpu {pci}: the driver serves it no longer");
    assert_eq!(news(&mut bench, before), [lost]);
    let view = bench.view();
    assert!(view.inventory.amd[0].health.is_lost());
    assert_eq!(
        view.degraded[&format!("amd gpu {pci}")].why,
        "the driver serves it no longer"
    );
}

#[tokio::test]
async fn a_gpu_that_went_to_another_driver_is_told_when_it_goes_altogether() {
    let gpu = fixture::gpu(0);
    let pci = gpu.pci;
    let (mut bench, other) = bench_with(pci);
    bench.host.take_gpu(gpu);
    let mut before = news(&mut bench, 0).len();
    // Bound to vfio-pci, say: the driver lists it no longer, and the bus does.
    bench.host.listed = Some(Vec::new());
    look(&mut bench, &[pci, other], &[]);
    bench.host.note_missing(0);
    let told = news(&mut bench, before);
    assert!(
        told.len() == 1 && told[0].contains("has lost it"),
        "{told:?}"
    );
    before += 1;
    look(&mut bench, &[other], &[]);
    bench.host.note_missing(0);
    assert_eq!(news(&mut bench, before), [format!("device {pci}: is gone")]);
    before += 1;
    look(&mut bench, &[pci, other], &[]);
    assert_eq!(
        news(&mut bench, before),
        [format!("device {pci}: has come")]
    );
}

#[tokio::test]
async fn a_gpu_that_was_silent_and_goes_is_told_by_who_reads_it_alone() {
    let gpu = fixture::gpu(0);
    let pci = gpu.pci;
    let (mut bench, other) = bench_with(pci);
    bench.host.take_gpu(gpu);
    let key = crate::hardware::GpuKey::Pci(pci);
    bench.host.gpu_failed(key, &stuck());
    let before = news(&mut bench, 0).len();
    bench.host.listed = Some(Vec::new());
    look(&mut bench, &[other], &[]);
    bench.host.note_missing(0);
    let told = news(&mut bench, before);
    assert!(
        told.len() == 1 && told[0].contains("has lost it"),
        "{told:?}"
    );
}

/// The driver that is there after the upgrade has other files than the one that the look began with.
#[tokio::test]
async fn a_driver_that_was_upgraded_during_a_look_gives_its_own_libraries() {
    let gpu = fixture::gpu(0);
    let pci = gpu.pci;
    let mut bench = Bench::with_worker(|folder| {
        let opened = |version: &str| {
            Outcome::Opened(Opened {
                driver: Some(v1::Driver {
                    version: version.to_owned(),
                    ..v1::Driver::default()
                }),
                gpu_count: 1,
            })
        };
        let unloaded = Outcome::Failure(Failure {
            code: failure::Code::NoDriver.into(),
            message: "not loaded".to_owned(),
            ..Failure::default()
        });
        let first = answers([opened("1.0"), unloaded]);
        let next = answers([opened("2.0"), Outcome::Gpu((&gpu).into())]);
        let started = folder.join("started");
        let started = started.display();
        format!("if [ -e {started} ]; then\n{next}else\n: > {started}\n{first}fi\ncat >/dev/null")
    });
    let libraries = bench.folder().join("usr/lib64");
    fs::create_dir_all(&libraries).expect("a folder");
    fs::write(libraries.join("libcuda.so.2.0"), "").expect("a file");
    bench.host.listed = Some(vec![pci]);
    let opened = bench.host.hardware.open().await.expect("the first worker");
    bench.host.observe_gpus(opened).await;
    let driver = bench.host.inventory.driver.clone().expect("a driver");
    assert_eq!(driver.version, "2.0");
    let files = bench.host.driver_files.iter().map(|mount| &mount.source);
    assert!(files.eq([&libraries.join("libcuda.so.2.0")]));
    assert_eq!(bench.host.inventory.gpus, [gpu]);
}
