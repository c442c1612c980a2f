// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {eaddress, ebool, euint64, externalEuint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

/// An auction whose bids nobody sees, the seller included. When it is over, the highest bid and who made it become public and
/// anybody settles it with the committee's proof; the other bids stay secret for ever.
contract SealedAuction is ZamaEthereumConfig {
    event Bid(address indexed bidder);
    event Closed(bytes32 leader, bytes32 highest);
    event Settled(address indexed winner, uint64 price);

    error Over(uint256 end);
    error NotOver(uint256 end);
    error NoBids();
    error AlreadyClosed();
    error NotClosed();
    error AlreadySettled();

    uint256 public immutable end;

    bool public closed;
    bool public settled;
    address public winner;
    uint64 public price;

    euint64 private _highest;
    eaddress private _leader;
    mapping(address bidder => euint64) private _bids;

    constructor(uint256 end_) {
        end = end_;
    }

    /// Bids, or raises the sender's bid: a lower amount than before changes nothing. Of equal bids the first leads.
    function bid(externalEuint64 input, bytes calldata proof) external {
        if (block.timestamp >= end) revert Over(end);
        euint64 amount = FHE.max(FHE.fromExternal(input, proof), _bids[msg.sender]);
        ebool leads = FHE.gt(amount, _highest);
        _highest = FHE.select(leads, amount, _highest);
        _leader = FHE.select(leads, FHE.asEaddress(msg.sender), _leader);
        _bids[msg.sender] = amount;
        FHE.allowThis(_highest);
        FHE.allowThis(_leader);
        FHE.allowThis(amount);
        FHE.allow(amount, msg.sender);
        emit Bid(msg.sender);
    }

    /// Makes the outcome public; anybody may, once the time is over.
    function close() external {
        if (block.timestamp < end) revert NotOver(end);
        if (closed) revert AlreadyClosed();
        if (!FHE.isInitialized(_highest)) revert NoBids();
        closed = true;
        FHE.makePubliclyDecryptable(_leader);
        FHE.makePubliclyDecryptable(_highest);
        emit Closed(eaddress.unwrap(_leader), euint64.unwrap(_highest));
    }

    /// Takes winner and price from anybody who brings the committee's proof of the two handles, in the order of `outcome`.
    function settle(address winner_, uint64 price_, bytes calldata proof) external {
        if (!closed) revert NotClosed();
        // A proof stays valid for ever: that it counts once is for the contract to see to.
        if (settled) revert AlreadySettled();
        FHE.checkSignatures(outcome(), abi.encode(winner_, price_), proof);
        (settled, winner, price) = (true, winner_, price_);
        emit Settled(winner_, price_);
    }

    /// The handle of a bid; its bidder alone can read it.
    function bidOf(address bidder) external view returns (euint64) {
        return _bids[bidder];
    }

    /// The handles of leader and highest bid.
    function outcome() public view returns (bytes32[] memory handles) {
        handles = new bytes32[](2);
        (handles[0], handles[1]) = (eaddress.unwrap(_leader), euint64.unwrap(_highest));
    }
}
