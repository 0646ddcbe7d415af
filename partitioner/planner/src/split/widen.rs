//! Searches with an allowance that grows from what the relaxation proves to what is found.

use super::block::Block;
use super::cut::closer;
use super::layers::{Found, Search};
use super::price::{best, whole};
use super::scale::Scale;
use super::seat::{Question, Seat};

/// How much further each search goes than the one before: most end at the bound, and a wide one that was not needed is
/// dearer than many narrow ones.
const WIDER: i128 = 2;

/// How narrow the first search beyond the bound is where room is not counted: this part of all costs.
const NARROW: i128 = 1 << 14;

/// How often the bound is made closer by a cut. Where costs are small each gains much, where they are large little.
const CUTS: u32 = 8;

/// What was found.
pub(super) struct Searched {
    /// An index into the choices of each GPU; `None` where the search ended early.
    pub choices: Option<Vec<usize>>,
    /// No split costs less.
    pub bound: u64,
}

/// How far searches go, and what they have ruled out. All are values, see [`Scale`].
struct Reach {
    /// The next search covers what is worth no more than this.
    allowed: i128,
    /// How much further the one after it goes.
    ahead: i128,
    /// No split is worth less.
    proven: i128,
}

/// The best split; `None` where there is none.
pub(super) fn search(
    question: &Question<'_>,
    seats: &[&Seat],
    scale: Scale,
    nodes: &mut u64,
) -> Option<Searched> {
    let want: Vec<u32> = question.wanted.iter().map(|one| one.count).collect();
    let signed: Vec<i64> = want.iter().map(|count| i64::from(*count)).collect();
    let blocks: Vec<&Block> = seats.iter().map(|seat| &seat.block).collect();
    let bound = best(&blocks, &signed)?;
    let most = scale.most(seats);
    // A little more room; or a little of the cost where room is not counted.
    let narrow = match scale.more {
        0 => most / NARROW + 1,
        more => i128::from(more),
    };
    let mut reach = Reach::from(bound.whole(), narrow);
    // The bound after a cut, and the least cost that it was told of, in steps.
    let (mut closest, mut told, mut cuts) = (bound.clone(), 0, CUTS);
    while reach.proven <= most {
        let search = Search {
            packing: &question.packing,
            seats,
            bounds: [&bound, &closest],
            all: question.all(),
            volume: question.volume(),
            want: &want,
        };
        match search.run(reach.allowed, nodes) {
            Found::Nothing => return None,
            Found::Exhausted => {
                return Some(Searched {
                    choices: None,
                    bound: scale.least_cost(reach.proven),
                });
            }
            Found::Split(split) => {
                let value = i128::from(scale.value(split.cost, split.room));
                if value <= reach.allowed {
                    return Some(Searched {
                        choices: Some(split.choices),
                        bound: split.cost,
                    });
                }
                // Its cost has bits that the bounds do not count, so a cheaper one may lie just beyond what was allowed.
                // What is worth no more than that would have been found.
                reach.widen(reach.allowed + 1, value);
            }
            Found::Beyond(_) if reach.allowed >= most => return None,
            Found::Beyond(least) => {
                reach.widen(whole(least), most);
                let steps = scale.least_steps(reach.proven);
                if steps > told && cuts > 0 {
                    (told, cuts) = (steps, cuts - 1);
                    closest = closer(seats, &want, scale, (bound.clone(), steps))?;
                    reach = Reach::from(reach.proven.max(closest.whole()), narrow);
                }
            }
        }
    }
    None
}

impl Reach {
    /// A search of what may be worth just what is proven, and then `narrow` more.
    fn from(proven: i128, narrow: i128) -> Self {
        Self {
            allowed: proven,
            ahead: narrow,
            proven,
        }
    }

    /// Goes on from what is proven now, up to `most`.
    fn widen(&mut self, proven: i128, most: i128) {
        self.proven = self.proven.max(proven);
        self.allowed = (self.proven + self.ahead).min(most);
        self.ahead *= WIDER;
    }
}
