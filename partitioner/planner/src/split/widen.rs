//! Searches with an allowance that grows from what the prices prove to what is found.

use super::fit::fits;
use super::layers::{Found, Search};
use super::price::{ONE, Prices, relaxed};
use super::scale::Scale;
use super::seat::{Question, Seat};

/// Searches that were too narrow before it is asked whether there is any split: most requests have one at the bound.
const FIT_AFTER: usize = 2;

/// How much wider each search is than the one before.
const WIDER: i128 = 4;

/// What was found.
pub(super) struct Searched {
    /// An index into the choices of each GPU; `None` where the search ended early.
    pub choices: Option<Vec<usize>>,
    /// No split costs less.
    pub bound: u64,
}

/// The cheapest split; `None` where there is none. All costs are multiples of `step`.
pub(super) fn search(
    question: &Question<'_>,
    seats: &[&Seat],
    (scale, step): (Scale, u64),
    nodes: &mut u64,
) -> Option<Searched> {
    let want: Vec<u32> = question.wanted.iter().map(|one| one.count).collect();
    let prices = relaxed(seats, &want)?;
    let beyond: Vec<Vec<i64>> = seats.iter().map(|seat| prices.beyond(seat)).collect();
    let beyond: Vec<&[i64]> = beyond.iter().map(Vec::as_slice).collect();
    let search = Search {
        packing: &question.packing,
        seats,
        beyond: &beyond,
        all: question.all(),
        volume: question.volume(),
        want: &want,
    };
    let movable: u128 = seats
        .iter()
        .map(|seat| u128::from(seat.movable >> scale.shift))
        .sum();
    let most = i128::try_from(movable).unwrap_or(i128::MAX) * i128::from(scale.whole);
    let first = proven(prices.bound);
    let (mut bound, mut allowed, mut tries) = (first, first, 0);
    let mut ahead = i128::from(scale.more.max(1));
    while bound <= most {
        match search.run(allowance(&prices, allowed), nodes) {
            Found::Nothing => return None,
            Found::Exhausted => {
                let bound = scale.least_cost(bound, step);
                let choices = None;
                return Some(Searched { choices, bound });
            }
            Found::Split {
                cost,
                room,
                choices,
            } => {
                let value = i128::from(scale.value(cost, room));
                if value <= allowed {
                    let choices = Some(choices);
                    return Some(Searched {
                        choices,
                        bound: cost,
                    });
                }
                // With shifted costs a cheaper one may lie just beyond what was allowed.
                allowed = value;
            }
            Found::Beyond(_) if allowed >= most => return None,
            Found::Beyond(least) => {
                bound = bound.max(proven(prices.bound + i128::from(least)));
                tries += 1;
                if tries == FIT_AFTER && fits(question, seats, nodes) == Some(false) {
                    return None;
                }
                allowed = bound.max(first + ahead).min(most);
                ahead *= WIDER;
            }
        }
    }
    None
}

/// The least value that a bound leaves: values are whole.
fn proven(bound: i128) -> i128 {
    -(-bound).div_euclid(i128::from(ONE))
}

/// What is allowed beyond the bound.
fn allowance(prices: &Prices, allowed: i128) -> i64 {
    let beyond = allowed.saturating_mul(i128::from(ONE)) - prices.bound;
    i64::try_from(beyond.max(0)).unwrap_or(i64::MAX)
}
