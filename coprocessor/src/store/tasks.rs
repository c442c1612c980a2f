//! The queue of what can run, and what becomes of a task.

use super::tables::{MaterialRecord, Tables, Value, cut, read, record, write};
use super::{Failure, Material, StoreError, Task};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use tkms_types::Handle;

/// Order of tasks. A squash ends a decryption's wait, so it goes before everything; it uses every core, as all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(super) enum Class {
    /// For everybody, as the chain says.
    Squash = 0,
    /// Asked for over HTTP.
    AskedSquash = 1,
    /// What a wanted handle is computed from.
    UrgentCompute = 2,
    /// In the order of the chain.
    Compute = 3,
    /// Met an error of the store: after everything else.
    Postponed = 4,
}

/// What is to be done to a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Job {
    /// Compute its value.
    Compute,
    /// Squash its value.
    Squash,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    class: u8,
    number: u64,
}

/// Reads an entry of the queue.
pub(super) fn queued(entry: &[u8]) -> Result<(Handle, Job), StoreError> {
    read("queue", entry)
}

/// The task of a queue entry.
pub(super) fn task(
    operations: &impl ReadableTable<&'static [u8; 32], &'static [u8]>,
    handle: Handle,
    job: Job,
) -> Result<Task, StoreError> {
    let found = record(operations, handle)?.ok_or(StoreError::Inconsistent(handle))?;
    if job == Job::Squash {
        let Value::Done(ciphertext) = found.value else { return Err(StoreError::Inconsistent(handle)) };
        return Ok(Task::Squash { handle, ciphertext });
    }
    let operation = found.operation.ok_or(StoreError::Inconsistent(handle))?;
    let operands =
        operation.operands().into_iter().map(|operand| match record(operations, operand)?.map(|r| r.value) {
            Some(Value::Done(object)) => Ok(object),
            _ => Err(StoreError::Inconsistent(operand)),
        });
    let operands = operands.collect::<Result<_, _>>()?;
    Ok(Task::Compute { operation, operands })
}

impl Tables<'_> {
    pub(super) fn enqueue(&mut self, class: Class, handle: Handle, job: Job) -> Result<Place, StoreError> {
        let place = Place { class: class as u8, number: self.number()? };
        self.queue.insert((place.class, place.number), write("queue", &(handle, job))?.as_slice())?;
        Ok(place)
    }

    pub(super) fn dequeue(&mut self, place: Place) -> Result<(), StoreError> {
        self.queue.remove((place.class, place.number))?;
        Ok(())
    }

    pub(super) fn queue_squash(&mut self, handle: Handle, class: Class) -> Result<(), StoreError> {
        let place = self.enqueue(class, handle, Job::Squash)?;
        self.save_material(handle, &MaterialRecord::Queued(place))
    }

    /// Signed samples: kept for ever, never replaced.
    pub(super) fn attest(&mut self, handle: Handle, material: &Material) -> Result<(), StoreError> {
        match self.material(handle)? {
            Some(MaterialRecord::Ready(signed)) if signed.object == material.object => return Ok(()),
            Some(MaterialRecord::Ready(signed)) => {
                let (signed, computed) = (signed.object.digest, material.object.digest);
                return Err(StoreError::Conflict { handle, signed, computed });
            }
            Some(MaterialRecord::Queued(place)) => self.dequeue(place)?,
            Some(MaterialRecord::Wanted(_) | MaterialRecord::Failed(_)) | None => {}
        }
        self.save_material(handle, &MaterialRecord::Ready(material.clone()))
    }

    pub(super) fn squash_failed(&mut self, handle: Handle, reason: &str) -> Result<(), StoreError> {
        if let Some(MaterialRecord::Queued(place)) = self.material(handle)? {
            self.dequeue(place)?;
            let failure = Failure { root: handle, reason: cut(reason) };
            self.save_material(handle, &MaterialRecord::Failed(failure))?;
        }
        Ok(())
    }

    pub(super) fn postpone(&mut self, task: &Task) -> Result<(), StoreError> {
        let handle = task.handle();
        match task {
            Task::Squash { .. } => {
                if let Some(MaterialRecord::Queued(place)) = self.material(handle)? {
                    self.dequeue(place)?;
                    self.queue_squash(handle, Class::Postponed)?;
                }
            }
            Task::Compute { .. } => {
                let mut record = self.record(handle)?.ok_or(StoreError::Inconsistent(handle))?;
                if let Value::Queued(place) = record.value {
                    self.dequeue(place)?;
                    record.value = Value::Queued(self.enqueue(Class::Postponed, handle, Job::Compute)?);
                    self.save(handle, &record)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn material(&self, handle: Handle) -> Result<Option<MaterialRecord>, StoreError> {
        let found = self.materials.get(self.names.material(handle))?;
        found.map(|value| read("materials", value.value())).transpose()
    }

    pub(super) fn save_material(&mut self, handle: Handle, record: &MaterialRecord) -> Result<(), StoreError> {
        self.materials.insert(self.names.material(handle), write("materials", record)?.as_slice())?;
        Ok(())
    }
}
