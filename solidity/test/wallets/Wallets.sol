// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

// What ERC-1271 has a contract return for a signature it accepts.
bytes4 constant ACCEPTS = 0x1626ba7e;

/// Checks a signature over a digest in the name of a contract.
interface ISigner {
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4);
}

/// A wallet of one owner, who can be replaced. Whatever it holds belongs to who owns it now.
contract OwnerWallet is ISigner {
    error OnlyOwner(address sender, address owner);

    /// Slot 0.
    address public owner;

    constructor(address owner_) {
        owner = owner_;
    }

    function setOwner(address next) external {
        if (msg.sender != owner) revert OnlyOwner(msg.sender, owner);
        owner = next;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 65) return 0xffffffff;
        (bytes32 r, bytes32 s, uint8 v) = (bytes32(signature[:32]), bytes32(signature[32:64]), uint8(signature[64]));
        address signer = ecrecover(digest, v, r, s);
        return signer != address(0) && signer == owner ? ACCEPTS : bytes4(0xffffffff);
    }
}

/// Runs the code of another contract on its own storage, found where ERC-1967 has it.
contract WalletProxy {
    bytes32 private constant IMPLEMENTATION = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;

    constructor(address implementation, address owner) {
        assembly {
            sstore(IMPLEMENTATION, implementation)
            sstore(0, owner)
        }
    }

    fallback() external payable {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), sload(IMPLEMENTATION), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch done
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}

/// A contract that answers as its slot 0 tells it; slot 1 holds an address or a word it looks at.
contract OddWallet {
    uint256 private _mode;
    uint256 private _argument;

    fallback() external {
        assembly {
            let argument := sload(1)
            mstore(0, shl(224, 0x1626ba7e))
            switch sload(0)
            // reverts with the right word
            case 1 { revert(0, 32) }
            // never ends
            case 2 { for {} 1 {} { pop(keccak256(0, 4096)) } }
            // four bytes, 31, 64, none
            case 3 { return(0, 4) }
            case 4 { return(0, 31) }
            case 5 { return(0, 64) }
            case 6 { return(0, 0) }
            // the right four bytes and more
            case 7 {
                mstore8(31, 1)
                return(0, 32)
            }
            // right-aligned
            case 8 {
                mstore(0, 0x1626ba7e)
                return(0, 32)
            }
            // writes
            case 9 { sstore(2, 1) }
            case 10 { tstore(2, 1) }
            case 11 { log0(0, 32) }
            case 13 { pop(create(0, 0, 0)) }
            // looks at what else there is, in a way the compiler cannot leave out
            case 14 { mstore8(31, eq(balance(argument), not(0))) }
            case 15 { mstore8(31, eq(sload(argument), not(0))) }
            case 16 { mstore8(31, eq(blockhash(argument), not(0))) }
            case 17 { mstore8(31, eq(extcodehash(argument), not(0))) }
            // an instruction that is none
            case 18 { invalid() }
            // calls itself until nothing is left
            case 19 {
                calldatacopy(64, 0, calldatasize())
                if iszero(staticcall(gas(), address(), 64, calldatasize(), 0, 0)) { return(0, 32) }
                revert(0, 0)
            }
            // much memory
            case 20 { mstore(argument, 1) }
            // a write further in, whose failure it does not mind
            case 21 { pop(call(gas(), argument, 0, 0, 0, 0, 0)) }
            // sends value
            case 22 { pop(call(gas(), argument, 1, 0, 0, 0, 0)) }
            // whether the block is the one it expects: the hash of what it sees
            case 23 {
                mstore(32, number())
                mstore(64, timestamp())
                mstore(96, chainid())
                mstore(128, basefee())
                mstore(160, coinbase())
                mstore(192, prevrandao())
                mstore(224, gaslimit())
                mstore(256, caller())
                mstore(288, origin())
                mstore(320, gasprice())
                if iszero(eq(argument, keccak256(32, 320))) { revert(0, 0) }
            }
            // every precompile, on nothing
            case 24 { for { let i := 1 } lt(i, 18) { i := add(i, 1) } { pop(staticcall(10000, i, 0, 0, 0, 0)) } }
            // as much gas as it is told to
            case 25 { for { let end := sub(gas(), argument) } gt(gas(), end) {} {} }
            return(0, 32)
        }
    }
}
