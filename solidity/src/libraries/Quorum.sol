// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Counts distinct members among the signers of one digest.
library Quorum {
    /// Bytes of one signature: r, s, v.
    uint256 internal constant SIGNATURE_BYTES = 65;

    /// Half the group order: a signature with a larger s is the twin of a valid one and refused.
    uint256 private constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    error ECDSAInvalidSignature();
    error ECDSAInvalidSignatureS(bytes32 s);

    /// Goes through `signatures` (65 bytes each) until `threshold` distinct members have signed `digest`; what follows is
    /// not looked at. `stranger` is the first signer met that is not a member; with it the count has ended unreached.
    function reached(bytes32 digest, bytes calldata signatures, address[] memory members, uint256 threshold)
        internal
        pure
        returns (bool ok, address stranger)
    {
        uint256 seen;
        uint256 distinct;
        uint256 next;
        // No sum below can overflow: offsets stay within calldata, places within the list.
        unchecked {
            for (uint256 offset = 0; offset + SIGNATURE_BYTES <= signatures.length; offset += SIGNATURE_BYTES) {
                address signer = _recover(digest, signatures, offset);
                uint256 place = _find(members, signer, next);
                if (place == members.length) return (false, signer);
                // Signatures mostly come in party order: the next signer is likely the next member.
                next = place + 1;
                uint256 bit = 1 << place;
                if (seen & bit == 0) {
                    seen |= bit;
                    if (++distinct == threshold) return (true, address(0));
                }
            }
        }
    }

    /// Whether `account` is in `members`.
    function contains(address[] memory members, address account) internal pure returns (bool) {
        return _find(members, account, 0) < members.length;
    }

    /// The signer of `digest` by the signature at `offset`, which the caller has found to be there; reverts on high s, on v
    /// other than 27 and 28, and when nobody can have signed so.
    function _recover(bytes32 digest, bytes calldata signatures, uint256 offset) private pure returns (address signer) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            let start := add(signatures.offset, offset)
            r := calldataload(start)
            s := calldataload(add(start, 32))
            v := byte(0, calldataload(add(start, 64)))
        }
        if (uint256(s) > MAX_S) revert ECDSAInvalidSignatureS(s);
        signer = ecrecover(digest, v, r, s);
        if (signer == address(0)) revert ECDSAInvalidSignature();
    }

    /// Index of `account` in `members`, searched round from index `start`; their number if it is not there.
    function _find(address[] memory members, address account, uint256 start) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            let count := mload(members)
            let first := add(members, 32)
            place := count
            for { let steps := 0 } lt(steps, count) { steps := add(steps, 1) } {
                let index := add(start, steps)
                if iszero(lt(index, count)) { index := sub(index, count) }
                if eq(mload(add(first, shl(5, index))), account) {
                    place := index
                    break
                }
            }
        }
    }
}
