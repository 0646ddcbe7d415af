//! What kerf tells a member in its environment.

/// Where this member stands among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its rank.
    pub rank: usize,
    /// The address that the others reach it by.
    pub address: String,
    /// The addresses of all, by rank.
    pub members: Vec<String>,
    /// Where rank 0 is met.
    pub master: (String, u16),
}

impl Place {
    /// Reads the environment, and sees that what it says holds together.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str| variable(name).ok_or_else(|| format!("{name} is not set"));
        let number = |name: &str| -> Result<usize, String> {
            let text = text(name)?;
            text.parse()
                .map_err(|error| format!("{name} is {text:?}: {error}"))
        };
        let members: Vec<String> = text("KERF_MEMBERS")?
            .split(',')
            .map(str::to_owned)
            .collect();
        let (rank, size) = (number("RANK")?, number("WORLD_SIZE")?);
        if members.len() != size {
            let count = members.len();
            return Err(format!("KERF_MEMBERS has {count} and WORLD_SIZE is {size}"));
        }
        let address = members.get(rank).cloned();
        let port = number("MASTER_PORT")?;
        let place = Self {
            rank,
            address: address.ok_or_else(|| format!("there is no rank {rank} of {size}"))?,
            master: (
                text("MASTER_ADDR")?,
                u16::try_from(port).map_err(|_| format!("{port} is no port"))?,
            ),
            members,
        };
        place.check_neighbours(number("LOCAL_RANK")?, number("LOCAL_WORLD_SIZE")?)?;
        if place.members.first() != Some(&place.master.0) {
            return Err(format!("MASTER_ADDR is {}, not rank 0's", place.master.0));
        }
        Ok(place)
    }

    /// Members of one host have one address, are neighbours, and count each other alike.
    fn check_neighbours(&self, local: usize, size: usize) -> Result<(), String> {
        let here = |rank: &usize| self.members.get(*rank) == Some(&self.address);
        let found: Vec<usize> = (0..self.members.len()).filter(here).collect();
        let first = self.rank.checked_sub(local);
        let expected: Option<Vec<usize>> = first.map(|first| (first..first + size).collect());
        if expected.as_ref() == Some(&found) {
            return Ok(());
        }
        Err(format!(
            "ranks {found:?} are at {}, which is not local rank {local} of {size}",
            self.address
        ))
    }
}

#[cfg(test)]
mod tests;
