//! IMEX channels: by a channel processes of several hosts reach each other's GPU memory over NVLink, and who may open a
//! channel's node is who may do so.

/// What a host has of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImexChannels {
    /// Channels that the driver was loaded for, numbered from 0 (`ImexChannelCount` of `/proc/driver/nvidia/params`);
    /// `None` where it does not say.
    pub count: Option<u32>,
    /// Channels whose device nodes exist, in order.
    pub nodes: Vec<u32>,
}

impl ImexChannels {
    /// Most channels that are counted or listed. A driver has 2,048 of them unless it is told otherwise.
    pub const LIMIT: u32 = 65_536;

    /// The lowest channel that is there and not among `taken`: any that the driver counts, since its node can be made;
    /// else one whose node exists.
    pub fn free(&self, taken: impl Fn(u32) -> bool) -> Option<u32> {
        match self.count {
            Some(count) => (0..count.min(Self::LIMIT)).find(|channel| !taken(*channel)),
            None => self.nodes.iter().copied().find(|channel| !taken(*channel)),
        }
    }

    /// Whether it has none at all.
    pub fn is_empty(&self) -> bool {
        self.free(|_| false).is_none()
    }
}
