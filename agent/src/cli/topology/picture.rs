//! Pictures of a host: the tree for a terminal, Graphviz, SVG, and NCCL's XML.

mod dot;
mod fabric;
mod label;
mod layout;
mod measure;
mod shape;
mod svg;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;

use kerf_partitioner::nccl;
use kerf_types::PciAddress;
use kerf_types::inventory::Inventory;

use shape::Shape;

use super::super::print::Picture;
use super::super::style::Style;

/// The tree.
pub fn tree(host: &Inventory, style: Style) -> String {
    tree::draw(&Shape::new(host), style)
}

/// The picture that was asked for; of `only` these accelerators in NCCL's XML, which says what a job can use.
pub fn picture(host: &Inventory, kind: Picture, only: Option<&BTreeSet<PciAddress>>) -> String {
    match kind {
        Picture::Dot => dot::write(&Shape::new(host)),
        Picture::Svg => svg::draw(&Shape::new(host)),
        Picture::NcclXml => nccl::write(host, only),
    }
}
