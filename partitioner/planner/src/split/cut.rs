//! A cut: costs are whole, so where no split is proven to cost less than 4.3, none costs less than 5.
//!
//! The bound is closer where the relaxation is told so. The cost is one thing more that all choices have together, and
//! what it is above the least is a block of its own, with all of it or nothing.

use super::block::Block;
use super::price::{Bound, best};
use super::scale::Scale;
use super::seat::Seat;

/// Cuts after each other: each may prove that the next cost is not possible either.
const CUTS: usize = 4;

/// A closer bound of every split, if there is one; `None` where it proves that there is no split. It is known that none
/// costs less than `least` steps.
pub(super) fn closer(
    seats: &[&Seat],
    want: &[u32],
    scale: Scale,
    (bound, mut least): (Bound, i64),
) -> Option<Bound> {
    if scale.more == 0 {
        // Values are costs, and whole already.
        return Some(bound);
    }
    let most = seats
        .iter()
        .map(|seat| scale.steps(seat.movable))
        .sum::<i64>();
    let with_cost = |seat: &&Seat| {
        let costs = seat.choices.iter().map(|choice| scale.steps(choice.cost));
        seat.block.with(costs)
    };
    let mut blocks: Vec<Block> = seats.iter().map(with_cost).collect();
    let width = want.len() + 1;
    let last = 2 * width - 1;
    let excess = (0..=last).map(|at| if at == last { -most } else { 0 });
    blocks.push(Block::new(vec![0, 0], width, excess.collect()));
    let blocks: Vec<&Block> = blocks.iter().collect();
    let mut want: Vec<i64> = want.iter().map(|count| i64::from(*count)).collect();
    want.push(0);
    let mut closer = bound;
    for _ in 0..CUTS {
        if want.last().is_none_or(|told| least <= *told) {
            break;
        }
        *want.last_mut()? = least;
        let next = best(&blocks, &want)?;
        if next.value <= closer.value {
            break;
        }
        closer = next;
        least = scale.least_steps(closer.whole());
    }
    Some(closer)
}
