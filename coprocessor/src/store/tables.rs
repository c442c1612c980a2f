//! Tables and the changes that keep them consistent; each runs inside one transaction of [`super::Store`].

use super::tasks::{Class, Job, Place};
use super::{Asked, Failure, HandleState, Identity, Material, StoreError};
use crate::objects::Object;
use crate::operation::{Expression, Operation};
use alloy_primitives::B256;
use redb::{MultimapTable, MultimapTableDefinition, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tkms_types::{Handle, KeyId};
use tkms_wire::material::Format;

type Word = &'static [u8; 32];
type Json = &'static [u8];
/// Handle, key id, format, profile: what one signer signs once.
pub(super) type MaterialKey = ([u8; 32], [u8; 32], u8, [u8; 32]);

pub(super) const META: TableDefinition<&str, Json> = TableDefinition::new("meta");
pub(super) const CURSOR: &str = "cursor";
const SCHEMA_KEY: &str = "schema";
const IDENTITY: &str = "identity";
const SEQUENCE: &str = "sequence";
/// Handle → [`Record`].
pub(super) const OPERATIONS: TableDefinition<Word, Json> = TableDefinition::new("operations");
/// Handle without a value → handles computed from it.
pub(super) const WAITERS: MultimapTableDefinition<Word, Word> = MultimapTableDefinition::new("waiters");
/// (class, sequence) → (handle, job): what can run, the most urgent first.
pub(super) const QUEUE: TableDefinition<(u8, u64), Json> = TableDefinition::new("queue");
/// → [`MaterialRecord`].
pub(super) const MATERIALS: TableDefinition<MaterialKey, Json> = TableDefinition::new("materials");
/// Handle of a verified input → its ciphertext. Announced or not.
const INPUTS: TableDefinition<Word, Json> = TableDefinition::new("inputs");
/// Hash of list and context → its handles.
pub(super) const LISTS: TableDefinition<Word, Json> = TableDefinition::new("lists");

/// Operations looked at when a wanted handle makes what it is computed from urgent. Beyond it they keep their turn.
const HURRIED: usize = 4096;
/// Bytes of a failure's reason that are kept.
const REASON_BYTES: usize = 512;

/// Under which names samples are attested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub key: KeyId,
    pub format: Format,
    pub profile: B256,
}

impl Names {
    pub(super) fn material(&self, handle: Handle) -> MaterialKey {
        (handle.0.0, self.key.bytes().0, self.format.into(), self.profile.0)
    }
}

/// An announced handle.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Absent for a handle that was refused when it was announced.
    pub operation: Option<Operation>,
    /// Somebody waits for what is computed from it.
    pub urgent: bool,
    pub value: Value,
}

/// How far a value is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Value {
    /// Waits for these operands; an input waits for itself.
    Parked(Vec<Handle>),
    /// All operands are there.
    Queued(Place),
    /// Computed.
    Done(Object),
    /// Never will be.
    Failed(Failure),
}

/// How far the samples of a handle are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum MaterialRecord {
    /// To be squashed once there is a value.
    Wanted(Class),
    /// In the queue.
    Queued(Place),
    /// Attested.
    Ready(Material),
    /// Never will be.
    Failed(Failure),
}

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    pub names: Names,
    meta: Table<'t, &'static str, Json>,
    pub operations: Table<'t, Word, Json>,
    waiters: MultimapTable<'t, Word, Word>,
    pub queue: Table<'t, (u8, u64), Json>,
    pub materials: Table<'t, MaterialKey, Json>,
    inputs: Table<'t, Word, Json>,
    lists: Table<'t, Word, Json>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, names: Names) -> Result<Self, StoreError> {
        Ok(Self {
            names,
            meta: transaction.open_table(META)?,
            operations: transaction.open_table(OPERATIONS)?,
            waiters: transaction.open_multimap_table(WAITERS)?,
            queue: transaction.open_table(QUEUE)?,
            materials: transaction.open_table(MATERIALS)?,
            inputs: transaction.open_table(INPUTS)?,
            lists: transaction.open_table(LISTS)?,
        })
    }

    /// Checks schema and deployment, or writes them into a new database.
    pub(super) fn adopt(&mut self, identity: Identity) -> Result<(), StoreError> {
        let schema = self.meta.get(SCHEMA_KEY)?.map(|value| value.value().to_vec());
        let Some(schema) = schema else {
            self.meta.insert(SCHEMA_KEY, write("meta", &super::SCHEMA)?.as_slice())?;
            self.meta.insert(IDENTITY, write("meta", &identity)?.as_slice())?;
            return Ok(());
        };
        let version: u32 = read("meta", &schema)?;
        if version > super::SCHEMA {
            return Err(StoreError::Newer { found: version.to_string() });
        }
        let found: Option<Identity> = self.meta.get(IDENTITY)?.map(|v| read("meta", v.value())).transpose()?;
        if found == Some(identity) {
            return Ok(());
        }
        Err(StoreError::OtherDeployment { found: format!("{found:?}"), expected: format!("{identity:?}") })
    }

    pub(super) fn set_cursor(&mut self, cursor: &[u8]) -> Result<(), StoreError> {
        self.meta.insert(CURSOR, cursor)?;
        Ok(())
    }

    /// A number for a place in the queue: the order in which things were announced.
    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        let last: u64 = self.meta.get(SEQUENCE)?.map(|value| read("meta", value.value())).transpose()?.unwrap_or(0);
        let next = last + 1;
        self.meta.insert(SEQUENCE, write("meta", &next)?.as_slice())?;
        Ok(next)
    }

    /// Gives a handle its meaning. Seen again after a reorganisation or a restart: the handle pins the meaning.
    pub(super) fn announce(&mut self, operation: &Operation) -> Result<(), StoreError> {
        let handle = operation.result;
        if self.record(handle)?.is_some() {
            return Ok(());
        }
        let urgent = matches!(self.material(handle)?, Some(MaterialRecord::Wanted(_)));
        let mut missing = Vec::new();
        let mut failure = None;
        for operand in operation.operands() {
            match self.record(operand)?.map(|record| record.value) {
                Some(Value::Done(_)) => {}
                Some(Value::Failed(found)) => failure = Some(found),
                Some(_) | None if missing.contains(&operand) => {}
                // Also if never announced, which is not ours to judge: it waits without holding up anything else.
                Some(_) | None => missing.push(operand),
            }
        }
        let input = operation.expression == Expression::Input;
        let ready = missing.is_empty() && failure.is_none() && !input;
        for operand in &missing {
            self.waiters.insert(&operand.0.0, &handle.0.0)?;
        }
        if input {
            missing.push(handle);
        }
        let value = if ready { self.enqueue_compute(handle, urgent)? } else { Value::Parked(missing) };
        self.save(handle, &Record { operation: Some(operation.clone()), urgent, value })?;
        if let Some(failure) = failure {
            return self.doom(handle, &failure);
        }
        match self.input_object(handle)? {
            Some(object) if input => self.settle(handle, object),
            _ => Ok(()),
        }
    }

    fn enqueue_compute(&mut self, handle: Handle, urgent: bool) -> Result<Value, StoreError> {
        let class = if urgent { Class::UrgentCompute } else { Class::Compute };
        Ok(Value::Queued(self.enqueue(class, handle, Job::Compute)?))
    }

    /// Records a handle that has no meaning.
    pub(super) fn refuse(&mut self, handle: Handle, reason: &str) -> Result<(), StoreError> {
        if self.record(handle)?.is_some() {
            return Ok(());
        }
        self.save(handle, &Record { operation: None, urgent: false, value: Value::Parked(Vec::new()) })?;
        self.fail(handle, reason)
    }

    /// Records a value and wakes what waits for it and for nothing else.
    pub(super) fn settle(&mut self, handle: Handle, object: Object) -> Result<(), StoreError> {
        let mut record = self.record(handle)?.ok_or(StoreError::Inconsistent(handle))?;
        if let Value::Queued(place) = record.value {
            self.dequeue(place)?;
        }
        record.value = Value::Done(object);
        self.save(handle, &record)?;
        for waiter in self.take_waiters(handle)? {
            let mut record = self.record(waiter)?.ok_or(StoreError::Inconsistent(waiter))?;
            let Value::Parked(missing) = &mut record.value else { continue };
            missing.retain(|operand| *operand != handle);
            if missing.is_empty() {
                record.value = self.enqueue_compute(waiter, record.urgent)?;
            }
            self.save(waiter, &record)?;
        }
        if let Some(MaterialRecord::Wanted(class)) = self.material(handle)? {
            self.queue_squash(handle, class)?;
        }
        Ok(())
    }

    /// Records that a value never will be, for the handle and all that is computed from it.
    pub(super) fn fail(&mut self, root: Handle, reason: &str) -> Result<(), StoreError> {
        self.doom(root, &Failure { root, reason: cut(reason) })
    }

    fn doom(&mut self, handle: Handle, failure: &Failure) -> Result<(), StoreError> {
        let mut doomed = vec![handle];
        while let Some(handle) = doomed.pop() {
            let mut record = self.record(handle)?.ok_or(StoreError::Inconsistent(handle))?;
            match record.value {
                Value::Done(_) | Value::Failed(_) => continue,
                Value::Queued(place) => self.dequeue(place)?,
                Value::Parked(_) => {}
            }
            record.value = Value::Failed(failure.clone());
            self.save(handle, &record)?;
            doomed.extend(self.take_waiters(handle)?);
        }
        Ok(())
    }

    /// The chain allows everybody to see the value.
    pub(super) fn decrypt(&mut self, handle: Handle) -> Result<(), StoreError> {
        self.want(handle, Class::Squash)
    }

    /// A caller asks for the samples. Only for handles that were announced.
    pub(super) fn ask(&mut self, handle: Handle, most: usize) -> Result<Asked, StoreError> {
        let first = (Class::AskedSquash as u8, 0);
        let waiting = self.queue.range(first..=(first.0, u64::MAX))?.take(most).count();
        if waiting >= most && self.material(handle)?.is_none() {
            return Ok(Asked::Busy);
        }
        self.want(handle, Class::AskedSquash)?;
        Ok(Asked::State(state(&self.operations, &self.materials, self.names, handle)?))
    }

    fn want(&mut self, handle: Handle, class: Class) -> Result<(), StoreError> {
        match self.material(handle)? {
            None => {}
            // A caller asked first; what the chain publishes goes before.
            Some(MaterialRecord::Queued(place)) if class == Class::Squash => {
                self.dequeue(place)?;
                return self.queue_squash(handle, class);
            }
            Some(MaterialRecord::Wanted(_)) if class == Class::Squash => {
                return self.save_material(handle, &MaterialRecord::Wanted(class));
            }
            Some(_) => return Ok(()),
        }
        match self.record(handle)?.map(|record| record.value) {
            Some(Value::Done(_)) => self.queue_squash(handle, class),
            Some(Value::Failed(_)) => Ok(()),
            Some(_) | None => {
                self.save_material(handle, &MaterialRecord::Wanted(class))?;
                self.hurry(handle)
            }
        }
    }

    /// Moves what a wanted handle is computed from before other computations.
    fn hurry(&mut self, wanted: Handle) -> Result<(), StoreError> {
        let mut open = vec![wanted];
        for _ in 0..HURRIED {
            let Some(handle) = open.pop() else { break };
            let Some(mut record) = self.record(handle)? else { continue };
            if record.urgent {
                continue;
            }
            record.urgent = true;
            match &record.value {
                Value::Parked(missing) => open.extend(missing.iter().copied().filter(|operand| *operand != handle)),
                Value::Queued(place) => {
                    self.dequeue(*place)?;
                    record.value = self.enqueue_compute(handle, true)?;
                }
                Value::Done(_) | Value::Failed(_) => continue,
            }
            self.save(handle, &record)?;
        }
        Ok(())
    }

    /// Records a verified input.
    pub(super) fn input(&mut self, id: B256, values: &[(Handle, Object)]) -> Result<(), StoreError> {
        let handles: Vec<Handle> = values.iter().map(|(handle, _)| *handle).collect();
        self.lists.insert(&id.0, write("lists", &handles)?.as_slice())?;
        for (handle, object) in values {
            if self.input_object(*handle)?.is_some() {
                continue;
            }
            self.inputs.insert(&handle.0.0, write("inputs", object)?.as_slice())?;
            if self.record(*handle)?.is_some_and(|record| matches!(record.value, Value::Parked(_))) {
                self.settle(*handle, *object)?;
            }
        }
        Ok(())
    }

    fn input_object(&self, handle: Handle) -> Result<Option<Object>, StoreError> {
        self.inputs.get(&handle.0.0)?.map(|value| read("inputs", value.value())).transpose()
    }

    pub(super) fn record(&self, handle: Handle) -> Result<Option<Record>, StoreError> {
        record(&self.operations, handle)
    }

    pub(super) fn save(&mut self, handle: Handle, record: &Record) -> Result<(), StoreError> {
        self.operations.insert(&handle.0.0, write("operations", record)?.as_slice())?;
        Ok(())
    }

    fn take_waiters(&mut self, handle: Handle) -> Result<Vec<Handle>, StoreError> {
        let mut waiters = Vec::new();
        for waiter in self.waiters.remove_all(&handle.0.0)? {
            waiters.push(Handle(B256::new(*waiter?.value())));
        }
        Ok(waiters)
    }
}

pub(super) fn record(
    operations: &impl ReadableTable<Word, Json>,
    handle: Handle,
) -> Result<Option<Record>, StoreError> {
    operations.get(&handle.0.0)?.map(|value| read("operations", value.value())).transpose()
}

/// What is known of a handle; samples of it first, because they stay whatever becomes of the rest.
pub(super) fn state(
    operations: &impl ReadableTable<Word, Json>,
    materials: &impl ReadableTable<MaterialKey, Json>,
    names: Names,
    handle: Handle,
) -> Result<HandleState, StoreError> {
    let material = materials.get(names.material(handle))?.map(|value| read("materials", value.value())).transpose()?;
    match material {
        Some(MaterialRecord::Ready(material)) => return Ok(HandleState::Ready(material)),
        Some(MaterialRecord::Failed(failure)) => return Ok(HandleState::Failed(failure)),
        Some(MaterialRecord::Queued(_)) => return Ok(HandleState::Squashing),
        Some(MaterialRecord::Wanted(_)) | None => {}
    }
    let Some(record) = record(operations, handle)? else { return Ok(HandleState::Unknown) };
    Ok(match record.value {
        Value::Done(_) => HandleState::Computed,
        Value::Failed(failure) => HandleState::Failed(failure),
        Value::Parked(missing) if missing.contains(&handle) => HandleState::WaitingInput,
        Value::Parked(missing) => HandleState::Computing { missing: missing.len() },
        Value::Queued(_) => HandleState::Computing { missing: 0 },
    })
}

pub(super) fn read<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Record { table, error })
}

pub(super) fn write<T: Serialize>(table: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Record { table, error })
}

/// A reason for the database: bounded, whatever a library says.
pub(super) fn cut(reason: &str) -> String {
    let end = (0..=reason.len().min(REASON_BYTES)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
    reason.get(..end).unwrap_or_default().to_owned()
}
