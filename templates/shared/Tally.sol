// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {ebool, euint64, externalEuint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

/// Everybody adds a secret number. Each reads what they added themselves; the total is known to nobody until the owner closes
/// the tally, and then to all.
contract Tally is ZamaEthereumConfig {
    address public immutable owner = msg.sender;
    bool public closed;
    /// The total, once it has been proven.
    uint64 public result;
    bool public settled;

    euint64 private total;
    mapping(address who => euint64) private shares;

    event Closed(bytes32 total);
    event Settled(uint64 result);

    error OnlyOwner(address sender);
    error IsClosed();
    error IsOpen();

    /// Adds a number encrypted by the sender for this contract, unless the sum would overflow.
    function add(externalEuint64 input, bytes calldata proof) external {
        if (closed) revert IsClosed();
        euint64 amount = FHE.fromExternal(input, proof);
        euint64 sum = FHE.add(total, amount);
        // Encrypted numbers wrap: whether they did must not be seen, so both outcomes are computed and one is chosen.
        ebool fits = FHE.ge(sum, amount);
        euint64 added = FHE.select(fits, amount, FHE.asEuint64(0));
        total = FHE.select(fits, sum, total);
        shares[msg.sender] = FHE.add(shares[msg.sender], added);
        // A result is this contract's for this transaction only: whoever is to use or read it later is allowed by name.
        FHE.allowThis(total);
        FHE.allowThis(shares[msg.sender]);
        FHE.allow(shares[msg.sender], msg.sender);
    }

    /// Ends the adding; from now on anybody may ask the network for the total.
    function close() external {
        if (msg.sender != owner) revert OnlyOwner(msg.sender);
        if (closed) revert IsClosed();
        closed = true;
        FHE.makePubliclyDecryptable(total);
        emit Closed(euint64.unwrap(total));
    }

    /// Takes the total from anybody who brings the committee's signatures.
    function settle(uint64 value, bytes calldata proof) external {
        if (!closed) revert IsOpen();
        bytes32[] memory handles = new bytes32[](1);
        handles[0] = euint64.unwrap(total);
        FHE.checkSignatures(handles, abi.encode(value), proof);
        (result, settled) = (value, true);
        emit Settled(value);
    }

    function shareOf(address who) external view returns (euint64) {
        return shares[who];
    }

    function totalHandle() external view returns (euint64) {
        return total;
    }
}
