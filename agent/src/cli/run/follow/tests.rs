//! A log that is read again goes on where it was.
