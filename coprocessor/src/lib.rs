//! coprocessor
