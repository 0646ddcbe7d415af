//! The table of contents of a tar file: which name lies where in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path};

use serde::de::DeserializeOwned;
use tar::{Archive, EntryType};

use super::super::documents::DOCUMENT_LIMIT;
use super::ArchiveError;

/// Most entries: an image has a few hundred layers at most, and each is one or three entries.
const ENTRY_LIMIT: usize = 10_000;

/// Largest header extension (long names, PAX records): they are read into memory.
const EXTENSION_LIMIT: u64 = 64 << 10;

/// A part of the archive's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::launcher::image) struct Region {
    pub offset: u64,
    pub size: u64,
}

/// An opened archive.
#[derive(Debug)]
pub(in crate::launcher::image) struct Contents {
    file: File,
    files: BTreeMap<String, Region>,
    links: BTreeMap<String, String>,
}

impl Contents {
    /// Reads all headers and refuses what has no place in an image archive.
    pub fn open(file: File) -> Result<Self, ArchiveError> {
        check_extensions(&file)?;
        let length = file.metadata().map_err(ArchiveError::Tar)?.len();
        let mut files = BTreeMap::new();
        let mut links = BTreeMap::new();
        let mut archive = Archive::new(BufReader::new(Seeker::new(&file)));
        for entry in archive.entries_with_seek().map_err(ArchiveError::Tar)? {
            let entry = entry.map_err(ArchiveError::Tar)?;
            let path = entry.path().map_err(ArchiveError::Tar)?;
            let name = plain_name(&path)?;
            if files.len() + links.len() >= ENTRY_LIMIT {
                return Err(ArchiveError::Entries);
            }
            let twice = match entry.header().entry_type() {
                EntryType::Directory | EntryType::XGlobalHeader => false,
                EntryType::Regular | EntryType::Continuous => {
                    let region = Region {
                        offset: entry.raw_file_position(),
                        size: entry.size(),
                    };
                    if region
                        .offset
                        .checked_add(region.size)
                        .is_none_or(|end| end > length)
                    {
                        return Err(ArchiveError::Tar(io::ErrorKind::UnexpectedEof.into()));
                    }
                    files.insert(name.clone(), region).is_some() || links.contains_key(&name)
                }
                kind @ (EntryType::Symlink | EntryType::Link) => {
                    let target = entry.link_name().map_err(ArchiveError::Tar)?;
                    let target = target.unwrap_or_default().display().to_string();
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let base = if kind == EntryType::Symlink {
                        folder
                    } else {
                        ""
                    };
                    let twice = files.contains_key(&name);
                    links.insert(name.clone(), join(base, &target)?).is_some() || twice
                }
                _ => return Err(ArchiveError::Kind { path: name }),
            };
            if twice {
                return Err(ArchiveError::Twice { path: name });
            }
        }
        Ok(Self { file, files, links })
    }

    /// Where a file lies; a link leads to a file and not to another link.
    pub fn find(&self, path: &str) -> Option<Region> {
        let target = self.links.get(path).map_or(path, String::as_str);
        self.files.get(target).copied()
    }

    /// The bytes of a region.
    pub fn reader(&self, region: Region) -> impl Read + '_ {
        let reader = Seeker {
            file: &self.file,
            position: region.offset,
        };
        BufReader::with_capacity(256 << 10, reader.take(region.size))
    }

    /// The bytes of a document.
    pub fn document(&self, path: &str) -> Result<Vec<u8>, ArchiveError> {
        let region = self.find(path).ok_or_else(|| ArchiveError::Missing {
            path: path.to_owned(),
        })?;
        if region.size > DOCUMENT_LIMIT {
            return Err(ArchiveError::DocumentSize {
                document: path.to_owned(),
            });
        }
        let mut bytes = Vec::new();
        self.reader(region)
            .read_to_end(&mut bytes)
            .map_err(ArchiveError::Tar)?;
        Ok(bytes)
    }

    /// A document, read as JSON.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ArchiveError> {
        parse(path, &self.document(path)?)
    }

    /// The file itself, for those who read regions of it elsewhere.
    pub fn into_file(self) -> File {
        self.file
    }
}

/// Reads JSON; an error names the document.
pub(super) fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|source| ArchiveError::Document {
        document: path.to_owned(),
        source,
    })
}

/// Refuses header extensions that would fill the memory before their entry is seen.
fn check_extensions(file: &File) -> Result<(), ArchiveError> {
    let mut archive = Archive::new(BufReader::new(Seeker::new(file)));
    let entries = archive.entries_with_seek().map_err(ArchiveError::Tar)?;
    for (count, entry) in entries.raw(true).enumerate() {
        let entry = entry.map_err(ArchiveError::Tar)?;
        let kind = entry.header().entry_type();
        let extension = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if (extension && entry.size() > EXTENSION_LIMIT) || count > 4 * ENTRY_LIMIT {
            return Err(ArchiveError::Entries);
        }
    }
    Ok(())
}

/// A path as a name with single slashes; one that is absolute or climbs is refused.
fn plain_name(path: &Path) -> Result<String, ArchiveError> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) if part.to_str().is_some() => {
                parts.push(part.to_str().unwrap_or_default());
            }
            _ => {
                return Err(ArchiveError::UnsafePath {
                    path: path.display().to_string(),
                });
            }
        }
    }
    Ok(parts.join("/"))
}

/// The name that a link in `folder` leads to; one that leads out of the archive is refused.
fn join(folder: &str, target: &str) -> Result<String, ArchiveError> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        let fine = match part {
            "" | "." => !target.starts_with('/'),
            ".." => parts.pop().is_some(),
            part => {
                parts.push(part);
                true
            }
        };
        if !fine {
            return Err(ArchiveError::UnsafePath {
                path: target.to_owned(),
            });
        }
    }
    Ok(parts.join("/"))
}

/// Reads a shared file from a position of its own.
struct Seeker<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> Seeker<'a> {
    fn new(file: &'a File) -> Self {
        Self { file, position: 0 }
    }
}

impl Read for Seeker<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += u64::try_from(count).unwrap_or_default();
        Ok(count)
    }
}

impl io::Seek for Seeker<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let end = self.file.metadata()?.len();
        let position = match to {
            io::SeekFrom::Start(position) => Some(position),
            io::SeekFrom::Current(by) => self.position.checked_add_signed(by),
            io::SeekFrom::End(by) => end.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
