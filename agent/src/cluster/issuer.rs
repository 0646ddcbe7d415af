//! Signing, on a host that has the CA's key: who joins, who is renewed, who is put out.
//!
//! What must outlive this process is on the disk before anything is answered: a token that was used stays used, and a
//! host that has a certificate is known to have one.

use std::time::Duration;

use kerf_identity::{
    Authority, CaCertificate, Entry, HOLDERS_LIMIT, Holders, Issued, LEDGER_LIMIT, Ledger,
    PublicKey, Purpose, Revoked, SKEW_S, SecretKey, Token, TokenId, is_proof,
};
use kerf_types::HostId;
use tokio::sync::Mutex;

use super::files::{CA_KEY, Folder, HOLDERS, TOKENS};
use super::gate::Gate;
use super::{ClusterError, JoinError, now_s, random};

/// Longest file of a key that is read.
const KEY_LIMIT: usize = 1_024;

/// What the CA's host remembers.
#[derive(Debug, Default)]
struct Books {
    ledger: Ledger,
    holders: Holders,
}

/// The CA with its key, and its books.
#[derive(Debug)]
pub struct Issuer {
    authority: Authority,
    /// The host that it is on: a token leads to it and to no other.
    host: HostId,
    folder: Folder,
    lifetime: Duration,
    books: Mutex<Books>,
}

/// What a host that joins has shown.
#[derive(Debug)]
pub struct JoinAsk<'a> {
    /// The token's name.
    pub token: TokenId,
    /// Its secret.
    pub secret: &'a [u8],
    /// The host.
    pub host: HostId,
    /// Its key.
    pub key: PublicKey,
    /// That it has the key.
    pub proof: &'a [u8],
    /// What its clock shows.
    pub now_s: u64,
}

impl Issuer {
    /// The CA of a new cluster. Its key is on the disk when this returns.
    pub(super) fn create(
        folder: &Folder,
        authority: Authority,
        host: HostId,
        lifetime: Duration,
    ) -> Result<Self, ClusterError> {
        folder.write(CA_KEY, authority.key().to_text().as_bytes())?;
        // What an earlier try has left belongs to no CA any more.
        folder.write(TOKENS, &Ledger::default().to_bytes())?;
        folder.write(HOLDERS, &Holders::default().to_bytes())?;
        Ok(Self {
            authority,
            host,
            folder: folder.clone(),
            lifetime,
            books: Mutex::default(),
        })
    }

    /// The CA in a folder; `None` where its key is not there.
    pub(super) fn open(
        folder: &Folder,
        ca: CaCertificate,
        host: HostId,
        lifetime: Duration,
    ) -> Result<Option<Self>, ClusterError> {
        let Some(text) = folder.read(CA_KEY, KEY_LIMIT)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&text).map_err(|e| folder.wrong(CA_KEY, e))?;
        let key = SecretKey::from_text(text).map_err(|e| folder.wrong(CA_KEY, e))?;
        let authority = Authority::open(key, ca).map_err(|e| folder.wrong(CA_KEY, e))?;
        let ledger = match folder.read(TOKENS, LEDGER_LIMIT)? {
            Some(bytes) => Ledger::from_bytes(&bytes).map_err(|e| folder.wrong(TOKENS, e))?,
            None => Ledger::default(),
        };
        let holders = match folder.read(HOLDERS, HOLDERS_LIMIT)? {
            Some(bytes) => Holders::from_bytes(&bytes).map_err(|e| folder.wrong(HOLDERS, e))?,
            None => Holders::default(),
        };
        Ok(Some(Self {
            authority,
            host,
            folder: folder.clone(),
            lifetime,
            books: Mutex::new(Books { ledger, holders }),
        }))
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Certifies the host that the CA is on, when it is made.
    pub(super) async fn first(&self, host: HostId, key: PublicKey) -> Result<Issued, ClusterError> {
        let mut books = self.books.lock().await;
        self.issue(&mut books, host, key).await
    }

    /// A first certificate for a token.
    pub async fn join(&self, ask: &JoinAsk<'_>, gate: &Gate) -> Result<Issued, ClusterError> {
        let now_s = now_s();
        let apart_s = ask.now_s.abs_diff(now_s);
        if apart_s > SKEW_S {
            return Err(JoinError::Clock { apart_s }.into());
        }
        let hash = self.authority.certificate().hash();
        let purpose = Purpose::Join(ask.token);
        if !is_proof(ask.proof, &ask.key, &hash, ask.host, purpose) {
            return Err(ClusterError::Proof);
        }
        let mut books = self.books.lock().await;
        // The token first: whoever has none learns nothing of the hosts, and costs a hash and no copy of a book.
        let (token, secret) = (ask.token, ask.secret);
        let is_new = books
            .ledger
            .may_redeem(token, secret, ask.host, ask.key, now_s)?;
        if gate.is_revoked(ask.host) {
            return Err(ClusterError::Revoked { host: ask.host });
        }
        books.holders.may_join(ask.host, ask.key, now_s)?;
        if is_new {
            let mut ledger = books.ledger.clone();
            ledger.redeem(token, secret, ask.host, ask.key, now_s)?;
            self.keep(TOKENS, ledger.to_bytes()).await?;
            books.ledger = ledger;
        }
        tracing::info!(peer.id = %ask.host, token = %token, "a host joins the cluster");
        self.issue(&mut books, ask.host, ask.key).await
    }

    /// The next certificate of a host. The caller has seen the one that it has; `is_late` where that has ended. Such a host
    /// may have joined anew meanwhile, and then its old key is no more than that.
    pub async fn renew(
        &self,
        host: HostId,
        key: PublicKey,
        proof: &[u8],
        gate: &Gate,
        is_late: bool,
    ) -> Result<Issued, ClusterError> {
        let hash = self.authority.certificate().hash();
        if !is_proof(proof, &key, &hash, host, Purpose::Renew) {
            return Err(ClusterError::Proof);
        }
        if gate.is_revoked(host) {
            return Err(ClusterError::Revoked { host });
        }
        let mut books = self.books.lock().await;
        if is_late {
            books.holders.may_join(host, key, now_s())?;
        }
        self.issue(&mut books, host, key).await
    }

    async fn issue(
        &self,
        books: &mut Books,
        host: HostId,
        key: PublicKey,
    ) -> Result<Issued, ClusterError> {
        let (now_s, lifetime_s) = (now_s(), self.lifetime.as_secs());
        let issued = self
            .authority
            .issue(host, key, now_s, lifetime_s, random()?)?;
        let until = issued.statement.not_after_s;
        let mut holders = books.holders.clone();
        holders.put(host, key, until, now_s);
        self.keep(HOLDERS, holders.to_bytes()).await?;
        books.holders = holders;
        Ok(issued)
    }

    /// Makes a token, good for so many seconds.
    pub async fn create_token(&self, ttl_s: u64) -> Result<(Token, u64), ClusterError> {
        let mut books = self.books.lock().await;
        let now_s = now_s();
        let hash = self.authority.certificate().hash();
        let token = Token::new(TokenId::new(random()?), &random()?, self.host, hash);
        let mut ledger = books.ledger.clone();
        ledger.create(&token, now_s, ttl_s)?;
        self.keep(TOKENS, ledger.to_bytes()).await?;
        books.ledger = ledger;
        Ok((token, now_s.saturating_add(ttl_s)))
    }

    /// All tokens that are kept.
    pub async fn tokens(&self) -> Vec<(TokenId, Entry)> {
        let books = self.books.lock().await;
        let entries = books.ledger.entries();
        entries.map(|(id, entry)| (id, *entry)).collect()
    }

    /// Takes a token away.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ClusterError> {
        let mut books = self.books.lock().await;
        let mut ledger = books.ledger.clone();
        ledger.revoke(id)?;
        self.keep(TOKENS, ledger.to_bytes()).await?;
        books.ledger = ledger;
        Ok(())
    }

    /// The next list of revoked hosts, with one more on it. It is not in force yet.
    pub fn revoke(&self, host: HostId, gate: &Gate) -> Result<Revoked, ClusterError> {
        let next = gate.revoked().with(&self.authority, host, now_s());
        Ok(next?)
    }

    async fn keep(&self, name: &'static str, bytes: Vec<u8>) -> Result<(), ClusterError> {
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || folder.write(name, &bytes));
        written.await.map_err(|_| ClusterError::Thread)?
    }
}
