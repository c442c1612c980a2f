//! Domain tags of this crate's protocols, beside those of `tkms_types::transcript::tags`: each is used once.

/// Digest of a broadcast value.
pub(crate) const BROADCAST: &str = "tkms/broadcast/value/v1";
/// Key of a subset from its opened value.
pub(crate) const PRSS_KEY: &str = "tkms/prss/setup/v1";
/// A subset's secret of one batch.
pub(crate) const PRSS_BATCH: &str = "tkms/prss/batch/v1";
/// Batch keys of PRSS over the whole ring.
pub(crate) const PRSS_RING: &str = "tkms/prss/ring/v1";
/// Batch keys of PRSS in the base ring.
pub(crate) const PRSS_BASE: &str = "tkms/prss/base/v1";
/// Batch keys of PRZS.
pub(crate) const PRSS_ZERO: &str = "tkms/prss/zero/v1";
/// Digest of what a batch opened.
pub(crate) const BATCH: &str = "tkms/preprocessing/batch/v1";
/// How far a party has come with its batches.
pub(crate) const MARK: &str = "tkms/preprocessing/mark/v1";
/// Digest of what is said in public.
pub(crate) const SAID: &str = "tkms/mpc/said/v1";
/// What a party signs of it.
pub(crate) const STATEMENT: &str = "tkms/mpc/statement/v1";
/// Digest of a message of a batch.
pub(crate) const BATCH_MESSAGE: &str = "tkms/preprocessing/message/v1";
/// Tops of the masks of an exact session that takes no bits from stock.
pub(crate) const EXACT_TOP: &str = "tkms/exact/top/v1";
/// Tops of the masks of an exact session with bits from stock.
pub(crate) const EXACT_MASK: &str = "tkms/exact/mask/v1";
/// Bits of an exact session that takes none from stock.
pub(crate) const EXACT_BITS: &str = "tkms/exact/bits/v1";
/// Binding of a range of stock to one exact session.
pub(crate) const EXACT_ALLOCATION: &str = "tkms/exact/alloc/v1";
/// What a party signs when it binds ranges of stock to sessions.
pub(crate) const EXACT_BALLOT: &str = "tkms/exact/ballot/v1";
