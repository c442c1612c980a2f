//! Reads public plaintexts and checks them: `public_decrypt <cluster.json> <relayer URL> <handle>…`
#![allow(clippy::print_stdout, reason = "a command-line program")]

use std::error::Error;
use tkms_client::{Client, Config, Trust};
use tkms_types::{Cluster, Handle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(relayer)) = (arguments.next(), arguments.next()) else {
        return Err("usage: public_decrypt <cluster.json> <relayer URL> <handle>…".into());
    };
    let handles = arguments.map(|text| text.parse().map(Handle)).collect::<Result<Vec<_>, _>>()?;
    let chain = handles.first().ok_or("name at least one handle")?.chain_id();

    let cluster = Cluster::from_json(&std::fs::read_to_string(file)?)?;
    let client = Client::new(Config::new(relayer.parse()?), Trust::from_cluster(&cluster, chain)?)?;
    let answer = client.public_decrypt(&handles).await?;

    for (handle, value) in handles.iter().zip(&answer.values) {
        println!("{handle} = {}", value.value());
    }
    println!("signed by {:?}", answer.signers);
    println!("abiEncodedCleartexts {}", answer.cleartexts);
    println!("decryptionProof      {}", answer.proof);
    Ok(())
}
