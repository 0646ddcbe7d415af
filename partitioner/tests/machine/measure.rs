//! Temporary measurement of costs.
use crate::world::*;
use kerf_api::partitioner::v1::Sample;
use kerf_api::partitioner::v1::request::Call;
use kerf_api::partitioner::v1::response::Outcome;
use std::time::Instant;
#[test]
fn measure() {
    let world = World::new("h100x8");
    let mut worker = world.worker();
    for index in 0..8 {
        let pci = worker.gpu(index).pci;
        worker.step(&mig(pci, true));
        for start in 0..7 {
            worker.step(&create(pci, 19, start, 1));
            worker.step(&fill(pci, start, 1, 0));
        }
    }
    for _ in 0..3 {
        let t = Instant::now();
        for index in 0..8 {
            worker.gpu(index);
        }
        println!("observe 8: {:?}", t.elapsed());
        let t = Instant::now();
        for index in 0..8 {
            let Ok(Outcome::Sampled(s)) = worker.call(Call::Sample(Sample { index }), PATIENCE)
            else {
                panic!()
            };
            println!("{} calls {} us", s.driver_calls, s.driver_microseconds);
        }
        println!("sample 8: {:?}", t.elapsed());
    }
}
