//! Numbers that are given in place of the usual ones.

use kerf_planner::rings::{PairWeights, Weights};

/// The largest number that may be given: 255 links of it are a bandwidth that fits, and 120 pairs of them a score.
const MOST: f64 = 10_000.0;

/// One number that is given in place of the usual one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Given {
    word: Word,
    number: f64,
}

/// What has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Word {
    Link,
    Board,
    Pix,
    Pxb,
    Phb,
    Node,
    Sys,
}

/// Reads `link=25`.
pub fn given(text: &str) -> Result<Given, String> {
    let (word, number) = text
        .split_once('=')
        .ok_or("write it as link=25 or pix=14")?;
    let word = clap::ValueEnum::from_str(word, true)
        .map_err(|_| format!("{word:?} is none of link, board, pix, pxb, phb, node, sys"))?;
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{number:?} is no number"))?;
    if !(0.0..=MOST).contains(&number) {
        return Err(format!("{number} is not between 0 and {MOST}"));
    }
    Ok(Given { word, number })
}

/// The same of whole numbers alone.
pub fn given_whole(text: &str) -> Result<Given, String> {
    let given = given(text)?;
    match given.number.fract() == 0.0 {
        true => Ok(given),
        false => Err(format!("{} is no whole number", given.number)),
    }
}

/// The usual numbers, with what is given in their place.
pub fn weights(gbps: &[Given], scores: &[Given]) -> PairWeights {
    let usual = PairWeights::default();
    PairWeights {
        gbps: with(usual.gbps, gbps),
        scores: with(usual.scores, scores),
    }
}

fn with(mut weights: Weights, given: &[Given]) -> Weights {
    for Given { word, number } in given {
        *match word {
            Word::Link => &mut weights.link,
            Word::Board => &mut weights.board,
            Word::Pix => &mut weights.pix,
            Word::Pxb => &mut weights.pxb,
            Word::Phb => &mut weights.phb,
            Word::Node => &mut weights.node,
            Word::Sys => &mut weights.sys,
        } = *number;
    }
    weights
}
