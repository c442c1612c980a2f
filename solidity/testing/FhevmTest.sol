// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    externalEaddress,
    externalEbool,
    externalEuint128,
    externalEuint16,
    externalEuint256,
    externalEuint32,
    externalEuint64,
    externalEuint8
} from "encrypted-types/EncryptedTypes.sol";

import {ACL} from "../src/ACL.sol";
import {DecryptionOracle} from "../src/DecryptionOracle.sol";
import {FHEVMExecutor} from "../src/FHEVMExecutor.sol";
import {InputVerifier} from "../src/InputVerifier.sol";
import {IDecryptionOracle} from "../src/interfaces/IDecryptionOracle.sol";
import {KMSVerifier} from "../src/KMSVerifier.sol";
import {Handles} from "../src/libraries/Handles.sol";
import {Cheats} from "./Cheats.sol";
import {PlainCoprocessor} from "./PlainCoprocessor.sol";
import {Signing} from "./Signing.sol";

/// FOR UNIT TESTS OF DAPPS, NEVER FOR A CHAIN: a whole network inside one Forge test.
///
/// The contracts are the real ones at their real addresses, and the proofs carry the real number of real signatures, so what a
/// dApp is refused and what it pays are what they are on a network. Played are the machines: values are computed in the clear
/// by following the executor's events, and the test holds all keys. So nothing is secret here, and nothing waits for finality.
///
/// Inherit it, call `startFhevm` first in `setUp`. Use it with `isolate = true` in foundry.toml: each call from the test is
/// then a transaction of its own, which is what transient permissions and the limits on homomorphic cost go by.
abstract contract FhevmTest is PlainCoprocessor {
    /// What stands where.
    struct Network {
        ACL acl;
        FHEVMExecutor executor;
        KMSVerifier kmsVerifier;
        InputVerifier inputVerifier;
        DecryptionOracle oracle;
        uint256 quorum;
    }

    /// The account may not read this value.
    error NotReadable(bytes32 handle, address account);
    /// The value has not been made publicly decryptable.
    error NotPublic(bytes32 handle);
    /// The ACL is paused, so nodes answer nothing.
    error NetworkPaused();
    /// More bits than nodes decrypt for one request.
    error TooManyBits(uint256 given, uint256 most);
    error ListsDiffer(uint256 kinds, uint256 values);

    Cheats private constant cheats = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    uint256 private constant CHAIN = 31337;
    uint64 private constant GATEWAY_CHAIN = 54321;
    address private constant GATEWAY_DECRYPTION = address(uint160(uint256(keccak256("tkms test Decryption"))));
    address private constant GATEWAY_INPUTS = address(uint160(uint256(keccak256("tkms test InputVerification"))));
    // The library expects the contracts where this account's nonces 1, 3, 4 and 5 put them.
    address private constant DEPLOYER = 0x8B8f5091f8b9817EF69cFC1E8B2f721BafF60DF4;
    address private constant ACL_ADDRESS = 0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D;
    address private constant EXECUTOR = 0xe3a9105a3a932253A70F126eb1E3b589C643dD24;
    address private constant KMS_VERIFIER = 0x901F8942346f7AB3a01F6D7613119Bca447Bb030;
    address private constant INPUT_VERIFIER = 0x36772142b74871f255CbD7A3e89B401d3e45825f;
    uint64 private constant ACL_NONCE = 1;
    uint64 private constant EXECUTOR_NONCE = 3;
    uint64 private constant ORACLE_NONCE = 10;
    uint256 private constant NODE_KEYS = uint256(keccak256("tkms test nodes")) >> 8;
    uint256 private constant COPROCESSOR_KEYS = uint256(keccak256("tkms test coprocessors")) >> 8;
    uint256 private constant COPROCESSORS = 4;
    uint256 private constant COPROCESSOR_QUORUM = 3;
    uint256 private constant MAX_BITS = 2048;

    /// The contracts, once `startFhevm` was called.
    Network internal fhevm;

    uint256 private _inputs;
    uint256[] private _requests;
    /// How many of the requests have an answer.
    uint256 private _answered;

    /// Deploys the contracts with a committee of 1, 4, 7, 10 or 13; `owner` owns ACL and oracle. From now on the logs that
    /// Forge records belong to this contract.
    function startFhevm(uint256 committee, address owner) internal {
        uint256 quorum = 2 * (committee / 3) + 1;
        cheats.chainId(CHAIN);
        cheats.startPrank(DEPLOYER);
        cheats.setNonce(DEPLOYER, ACL_NONCE);
        fhevm.acl = new ACL(EXECUTOR, owner, owner);
        cheats.setNonce(DEPLOYER, EXECUTOR_NONCE);
        fhevm.executor = new FHEVMExecutor(ACL_ADDRESS, INPUT_VERIFIER);
        fhevm.kmsVerifier = new KMSVerifier(Signing.addresses(NODE_KEYS, committee), quorum, GATEWAY_CHAIN, GATEWAY_DECRYPTION);
        address[] memory coprocessors = Signing.addresses(COPROCESSOR_KEYS, COPROCESSORS);
        fhevm.inputVerifier = new InputVerifier(coprocessors, COPROCESSOR_QUORUM, GATEWAY_CHAIN, GATEWAY_INPUTS);
        cheats.setNonce(DEPLOYER, ORACLE_NONCE);
        fhevm.oracle = new DecryptionOracle(ACL_ADDRESS, KMS_VERIFIER, owner);
        cheats.stopPrank();
        fhevm.quorum = quorum;
        cheats.recordLogs();
    }

    /// Values encrypted by `user` for the contract `app`, under one proof. `kinds` are type ids as in byte 30 of a handle.
    function encryptAll(uint8[] memory kinds, uint256[] memory values, address user, address app)
        internal
        returns (bytes32[] memory handles, bytes memory proof)
    {
        if (kinds.length != values.length) revert ListsDiffer(kinds.length, values.length);
        handles = new bytes32[](kinds.length);
        bytes32 list = keccak256(abi.encode("tkms test input", _inputs++));
        for (uint256 i = 0; i < kinds.length; ++i) {
            uint256 head = uint256(keccak256(abi.encode(list, i))) & ~uint256(type(uint88).max);
            handles[i] = bytes32(head | i << 80 | CHAIN << 16 | uint256(kinds[i]) << 8);
            _learn(handles[i], values[i]);
        }
        bytes32 digest = Signing.inputDigest(_gateway(), handles, user, app, CHAIN, hex"00");
        proof = Signing.inputProof(handles, digest, Signing.keys(COPROCESSOR_KEYS, COPROCESSOR_QUORUM), hex"00");
    }

    /// One value of any type.
    function encrypt(uint8 kind, uint256 value, address user, address app) internal returns (bytes32 handle, bytes memory proof) {
        uint8[] memory kinds = new uint8[](1);
        uint256[] memory values = new uint256[](1);
        (kinds[0], values[0]) = (kind, value);
        bytes32[] memory handles;
        (handles, proof) = encryptAll(kinds, values, user, app);
        handle = handles[0];
    }

    function encryptBool(bool value, address user, address app) internal returns (externalEbool, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.BOOL, value ? 1 : 0, user, app);
        return (externalEbool.wrap(handle), proof);
    }

    function encryptUint8(uint8 value, address user, address app) internal returns (externalEuint8, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.UINT8, value, user, app);
        return (externalEuint8.wrap(handle), proof);
    }

    function encryptUint16(uint16 value, address user, address app) internal returns (externalEuint16, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.UINT16, value, user, app);
        return (externalEuint16.wrap(handle), proof);
    }

    function encryptUint32(uint32 value, address user, address app) internal returns (externalEuint32, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.UINT32, value, user, app);
        return (externalEuint32.wrap(handle), proof);
    }

    function encryptUint64(uint64 value, address user, address app) internal returns (externalEuint64, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.UINT64, value, user, app);
        return (externalEuint64.wrap(handle), proof);
    }

    function encryptUint128(uint128 value, address user, address app) internal returns (externalEuint128, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.UINT128, value, user, app);
        return (externalEuint128.wrap(handle), proof);
    }

    function encryptUint256(uint256 value, address user, address app) internal returns (externalEuint256, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.UINT256, value, user, app);
        return (externalEuint256.wrap(handle), proof);
    }

    function encryptAddress(address value, address user, address app) internal returns (externalEaddress, bytes memory) {
        (bytes32 handle, bytes memory proof) = encrypt(Handles.ADDRESS, uint160(value), user, app);
        return (externalEaddress.wrap(handle), proof);
    }

    /// What the relayer answers to a public decryption: one word for each handle, and the proof for `FHE.checkSignatures`.
    function publicDecrypt(bytes32[] memory handles) internal returns (bytes memory cleartexts, bytes memory proof) {
        return _decrypt(handles, "");
    }

    /// The same for one handle.
    function publicDecrypt(bytes32 handle) internal returns (uint256 value, bytes memory proof) {
        bytes32[] memory handles = new bytes32[](1);
        handles[0] = handle;
        bytes memory cleartexts;
        (cleartexts, proof) = _decrypt(handles, "");
        value = abi.decode(cleartexts, (uint256));
    }

    /// What `user` reads through `app`, if both have the persistent permission that nodes ask for.
    function userDecrypt(bytes32 handle, address user, address app) internal returns (uint256) {
        _checkRunning();
        if (user == app || !fhevm.acl.persistAllowed(handle, user)) revert NotReadable(handle, user);
        if (!fhevm.acl.persistAllowed(handle, app)) revert NotReadable(handle, app);
        _followChain();
        return _valueOf(handle);
    }

    /// What `delegate` reads for `delegator` through `app`.
    function delegatedUserDecrypt(bytes32 handle, address delegate, address delegator, address app) internal returns (uint256) {
        _checkRunning();
        if (!fhevm.acl.isHandleDelegatedForUserDecryption(delegator, delegate, app, handle)) revert NotReadable(handle, delegate);
        _followChain();
        return _valueOf(handle);
    }

    /// The value behind any handle, whoever may read it: for assertions only, no network can do this.
    function peek(bytes32 handle) internal returns (uint256) {
        _followChain();
        return _valueOf(handle);
    }

    /// Answers every request to the decryption oracle that has no answer yet; how many.
    function answerRequests() internal returns (uint256 answered) {
        _followChain();
        // A callback may ask again: the list can grow on the way.
        for (; _answered < _requests.length; ++_answered) {
            uint256 requestId = _requests[_answered];
            bytes32[] memory handles = fhevm.oracle.getRequest(requestId).handles;
            (bytes memory cleartexts, bytes memory proof) = _decrypt(handles, fhevm.oracle.getExtraData(requestId));
            fhevm.oracle.fulfil(requestId, cleartexts, proof);
            ++answered;
        }
    }

    function _decrypt(bytes32[] memory handles, bytes memory extraData) private returns (bytes memory cleartexts, bytes memory proof) {
        _checkRunning();
        uint256 bits;
        for (uint256 i = 0; i < handles.length; ++i) {
            if (!fhevm.acl.isAllowedForDecryption(handles[i])) revert NotPublic(handles[i]);
            bits += Handles.bitsOf(Handles.typeOf(handles[i]));
        }
        if (bits > MAX_BITS) revert TooManyBits(bits, MAX_BITS);
        _followChain();
        for (uint256 i = 0; i < handles.length; ++i) {
            cleartexts = abi.encodePacked(cleartexts, _valueOf(handles[i]));
        }
        bytes32 digest = Signing.decryptionDigest(_gateway(), handles, cleartexts, extraData);
        proof = Signing.kmsProof(digest, Signing.keys(NODE_KEYS, fhevm.quorum), extraData);
    }

    /// Takes up what happened since it was called last. Forge hands out a log once: whatever may revert comes before, or what
    /// was learnt would be lost.
    function _followChain() private {
        Cheats.Log[] memory logs = cheats.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics.length == 0) continue;
            if (logs[i].emitter == EXECUTOR) {
                _execute(logs[i]);
            } else if (logs[i].emitter == address(fhevm.oracle) && logs[i].topics[0] == IDecryptionOracle.DecryptionRequested.selector) {
                uint256 requestId = uint256(logs[i].topics[1]);
                bool pending = fhevm.oracle.getRequest(requestId).state == IDecryptionOracle.State.Pending;
                if (pending) _requests.push(requestId);
            }
        }
    }

    function _checkRunning() private view {
        if (fhevm.acl.paused()) revert NetworkPaused();
    }

    function _gateway() private pure returns (Signing.Gateway memory) {
        return Signing.Gateway({chainId: GATEWAY_CHAIN, decryption: GATEWAY_DECRYPTION, inputVerification: GATEWAY_INPUTS});
    }
}
