// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ACL} from "../src/ACL.sol";
import {DecryptionOracle} from "../src/DecryptionOracle.sol";
import {FHEVMExecutor} from "../src/FHEVMExecutor.sol";
import {InputVerifier} from "../src/InputVerifier.sol";
import {KMSVerifier} from "../src/KMSVerifier.sol";
import {Handles} from "../src/libraries/Handles.sol";
import {Signing} from "../testing/Signing.sol";
import {Vm} from "./Vm.sol";

/// The whole system at the addresses the fhEVM library expects on chain 31337, a committee and coprocessors that sign.
abstract contract Base {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    uint256 internal constant DEV_CHAIN = 31337;
    uint64 internal constant GATEWAY_CHAIN = 54321;
    address internal constant DEPLOYER = 0x8B8f5091f8b9817EF69cFC1E8B2f721BafF60DF4;
    address internal constant ACL_ADDRESS = 0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D;
    address internal constant EXECUTOR_ADDRESS = 0xe3a9105a3a932253A70F126eb1E3b589C643dD24;
    address internal constant KMS_VERIFIER_ADDRESS = 0x901F8942346f7AB3a01F6D7613119Bca447Bb030;
    address internal constant INPUT_VERIFIER_ADDRESS = 0x36772142b74871f255CbD7A3e89B401d3e45825f;
    uint64 internal constant ORACLE_NONCE = 10;
    address internal constant DECRYPTION = address(uint160(uint256(keccak256("test gateway Decryption"))));
    address internal constant INPUT_VERIFICATION = address(uint160(uint256(keccak256("test gateway InputVerification"))));

    address internal constant OWNER = address(0xA11CE);
    address internal constant PAUSER = address(0xB0B);
    address internal constant ALICE = address(0xA1);
    address internal constant BOB = address(0xB2);
    address internal constant CAROL = address(0xC3);

    uint256 internal constant FIRST_CONTEXT = (7 << 248) | 1;
    uint256 internal constant COMMITTEE_SIZE = 4;
    uint256 internal constant QUORUM = 3;
    uint256 internal constant COPROCESSORS = 4;
    uint256 internal constant NODE_KEYS = 0x1000;
    uint256 internal constant COPROCESSOR_KEYS = 0x2000;
    uint256 internal constant STRANGER_KEY = 0x666;
    uint256 internal constant GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    ACL internal acl;
    FHEVMExecutor internal executor;
    KMSVerifier internal kms;
    InputVerifier internal inputs;
    DecryptionOracle internal oracle;

    function setUp() public virtual {
        vm.chainId(DEV_CHAIN);
        vm.roll(1000);
        vm.warp(1_800_000_000);
        vm.startPrank(DEPLOYER);
        vm.setNonce(DEPLOYER, 1);
        acl = new ACL(EXECUTOR_ADDRESS, OWNER, PAUSER);
        vm.setNonce(DEPLOYER, 3);
        executor = new FHEVMExecutor(ACL_ADDRESS, INPUT_VERIFIER_ADDRESS);
        kms = new KMSVerifier(addresses(NODE_KEYS, COMMITTEE_SIZE), QUORUM, GATEWAY_CHAIN, DECRYPTION);
        inputs = new InputVerifier(addresses(COPROCESSOR_KEYS, COPROCESSORS), QUORUM, GATEWAY_CHAIN, INPUT_VERIFICATION);
        vm.setNonce(DEPLOYER, ORACLE_NONCE);
        oracle = new DecryptionOracle(ACL_ADDRESS, KMS_VERIFIER_ADDRESS, OWNER);
        vm.stopPrank();
    }

    function addresses(uint256 firstKey, uint256 count) internal pure returns (address[] memory) {
        return Signing.addresses(firstKey, count);
    }

    function keys(uint256 firstKey, uint256 count) internal pure returns (uint256[] memory) {
        return Signing.keys(firstKey, count);
    }

    function signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        return Signing.signature(key, digest);
    }

    function proofOf(bytes32 digest, uint256[] memory signers, bytes memory extraData) internal pure returns (bytes memory) {
        return Signing.kmsProof(digest, signers, extraData);
    }

    function gateway() internal pure returns (Signing.Gateway memory) {
        return Signing.Gateway({chainId: GATEWAY_CHAIN, decryption: DECRYPTION, inputVerification: INPUT_VERIFICATION});
    }

    function decryptionDigest(bytes32[] memory handles, bytes memory result, bytes memory extraData) internal pure returns (bytes32) {
        return Signing.decryptionDigest(gateway(), handles, result, extraData);
    }

    /// What the test committee's first `count` members sign.
    function decryptionProof(bytes32[] memory handles, bytes memory result, bytes memory extraData, uint256 count)
        internal
        pure
        returns (bytes memory)
    {
        return proofOf(decryptionDigest(handles, result, extraData), keys(NODE_KEYS, count), extraData);
    }

    function inputDigest(bytes32[] memory handles, address user, address target, uint256 chain, bytes memory extraData)
        internal
        pure
        returns (bytes32)
    {
        return Signing.inputDigest(gateway(), handles, user, target, chain, extraData);
    }

    /// An input proof by the first `count` coprocessors.
    function inputProof(bytes32[] memory handles, address user, address target, uint256 count) internal pure returns (bytes memory) {
        bytes32 digest = inputDigest(handles, user, target, DEV_CHAIN, hex"00");
        return inputProofOf(handles, digest, keys(COPROCESSOR_KEYS, count), hex"00");
    }

    function inputProofOf(bytes32[] memory handles, bytes32 digest, uint256[] memory signers, bytes memory extraData)
        internal
        pure
        returns (bytes memory)
    {
        return Signing.inputProof(handles, digest, signers, extraData);
    }

    /// An input handle of this chain.
    function inputHandle(uint256 seed, uint8 index, uint8 kind) internal pure returns (bytes32) {
        uint256 head = uint256(keccak256(abi.encode("input", seed))) & ~uint256(type(uint88).max);
        return bytes32(head | uint256(index) << 80 | DEV_CHAIN << 16 | uint256(kind) << 8);
    }

    /// A value of type `kind` that `who` may use in this transaction.
    function fresh(address who, uint256 value, uint8 kind) internal returns (bytes32 handle) {
        vm.prank(who);
        handle = executor.trivialEncrypt(value, kind);
    }

    /// The same, for ever.
    function owned(address who, uint256 value, uint8 kind) internal returns (bytes32 handle) {
        vm.startPrank(who);
        handle = executor.trivialEncrypt(value, kind);
        acl.allow(handle, who);
        vm.stopPrank();
    }

    function one(bytes32 handle) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = handle;
    }

    /// The type ids there are.
    function kinds() internal pure returns (uint8[8] memory) {
        return
            [Handles.BOOL, Handles.UINT8, Handles.UINT16, Handles.UINT32, Handles.UINT64, Handles.UINT128, Handles.ADDRESS, Handles.UINT256];
    }
}
