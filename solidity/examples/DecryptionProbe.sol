// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {
    eaddress,
    ebool,
    euint16,
    euint32,
    euint64,
    euint8,
    externalEaddress,
    externalEbool,
    externalEuint64,
    externalEuint8,
    FHE
} from "@fhevm/solidity/lib/FHE.sol";

import {IDecryptionOracle} from "../src/interfaces/IDecryptionOracle.sol";

/// The permissions on a handle, without its type.
interface IPermissions {
    function allow(bytes32 handle, address account) external;
    function allowTransient(bytes32 handle, address account) external;
    function allowForDecryption(bytes32[] calldata handlesList) external;
}

/// Makes encrypted values of every kind and has them decrypted in every way. Each value made is kept, allowed to this
/// contract and announced; `made(i)` is its handle.
contract DecryptionProbe is ZamaEthereumConfig {
    event Made(uint256 indexed index, bytes32 handle);
    event Asked(uint256 indexed requestId);
    event Delivered(uint256 indexed requestId, bytes cleartexts);

    error OnlyOracle(address sender);

    IDecryptionOracle public immutable oracle;
    IPermissions public immutable permissions;

    bytes32[] public made;
    /// The answer to a request, empty until it came, and how often it came.
    mapping(uint256 requestId => bytes) public cleartexts;
    mapping(uint256 requestId => uint256) public deliveries;
    /// The answer to the last request delivered.
    uint256 public lastDelivered;

    constructor(address oracle_, address acl) {
        oracle = IDecryptionOracle(oracle_);
        permissions = IPermissions(acl);
    }

    function makeBool(bool value) external {
        _keep(ebool.unwrap(FHE.asEbool(value)));
    }

    function makeUint8(uint8 value) external {
        _keep(euint8.unwrap(FHE.asEuint8(value)));
    }

    function makeUint16(uint16 value) external {
        _keep(euint16.unwrap(FHE.asEuint16(value)));
    }

    function makeUint32(uint32 value) external {
        _keep(euint32.unwrap(FHE.asEuint32(value)));
    }

    function makeUint64(uint64 value) external {
        _keep(euint64.unwrap(FHE.asEuint64(value)));
    }

    function makeAddress(address value) external {
        _keep(eaddress.unwrap(FHE.asEaddress(value)));
    }

    function makeBoolFrom(externalEbool value, bytes calldata inputProof) external {
        _keep(ebool.unwrap(FHE.fromExternal(value, inputProof)));
    }

    function makeUint8From(externalEuint8 value, bytes calldata inputProof) external {
        _keep(euint8.unwrap(FHE.fromExternal(value, inputProof)));
    }

    function makeUint64From(externalEuint64 value, bytes calldata inputProof) external {
        _keep(euint64.unwrap(FHE.fromExternal(value, inputProof)));
    }

    function makeAddressFrom(externalEaddress value, bytes calldata inputProof) external {
        _keep(eaddress.unwrap(FHE.fromExternal(value, inputProof)));
    }

    function makeRandomUint8() external {
        _keep(euint8.unwrap(FHE.randEuint8()));
    }

    function makeRandomUint64(uint64 bound) external {
        _keep(euint64.unwrap(bound == 0 ? FHE.randEuint64() : FHE.randEuint64(bound)));
    }

    /// Works out of two plaintexts what the cheaper operations give: a + b, a - b, a < b, the larger one by select.
    function computeUint64(uint64 a, uint64 b) external {
        euint64 x = FHE.asEuint64(a);
        euint64 y = FHE.asEuint64(b);
        ebool less = FHE.lt(x, y);
        _keep(euint64.unwrap(FHE.add(x, y)));
        _keep(euint64.unwrap(FHE.sub(x, y)));
        _keep(ebool.unwrap(less));
        _keep(euint64.unwrap(FHE.select(less, y, x)));
    }

    /// Bits and widths: a & b, a | b, a ^ b, not a, a as 64 bits, not (a == b).
    function computeUint8(uint8 a, uint8 b) external {
        euint8 x = FHE.asEuint8(a);
        euint8 y = FHE.asEuint8(b);
        _keep(euint8.unwrap(FHE.and(x, y)));
        _keep(euint8.unwrap(FHE.or(x, y)));
        _keep(euint8.unwrap(FHE.xor(x, y)));
        _keep(euint8.unwrap(FHE.not(x)));
        _keep(euint64.unwrap(FHE.asEuint64(x)));
        _keep(ebool.unwrap(FHE.not(FHE.eq(x, y))));
    }

    /// Lets `user` read the value.
    function allowUser(uint256 index, address user) external {
        permissions.allow(made[index], user);
    }

    /// Lets everybody read the values.
    function publish(uint256[] calldata indices) external {
        permissions.allowForDecryption(_handles(indices));
    }

    /// Asks the oracle for the values, with this much gas for the answer.
    function ask(uint256[] calldata indices, uint32 callbackGas) external returns (uint256 requestId) {
        bytes32[] memory handles = _handles(indices);
        for (uint256 i = 0; i < handles.length; ++i) {
            permissions.allowTransient(handles[i], address(oracle));
        }
        requestId = oracle.requestDecryption(handles, this.onDecrypted.selector, callbackGas);
        emit Asked(requestId);
    }

    /// Asks for handles this contract may have no right to.
    function askHandles(bytes32[] calldata handles, uint32 callbackGas) external returns (uint256 requestId) {
        requestId = oracle.requestDecryption(handles, this.onDecrypted.selector, callbackGas);
        emit Asked(requestId);
    }

    /// The oracle's answer.
    function onDecrypted(uint256 requestId, bytes calldata words, bytes calldata) external {
        if (msg.sender != address(oracle)) revert OnlyOracle(msg.sender);
        cleartexts[requestId] = words;
        ++deliveries[requestId];
        lastDelivered = requestId;
        emit Delivered(requestId, words);
    }

    /// Takes a public answer fetched off chain: reverts unless the committee signed it.
    function check(uint256[] calldata indices, bytes calldata words, bytes calldata proof) external {
        FHE.checkSignatures(_handles(indices), words, proof);
    }

    /// The same as a question.
    function isValid(uint256[] calldata indices, bytes calldata words, bytes calldata proof) external view returns (bool) {
        return FHE.isPublicDecryptionResultValid(_handles(indices), words, proof);
    }

    /// How many values were made.
    function count() external view returns (uint256) {
        return made.length;
    }

    function _keep(bytes32 handle) private {
        permissions.allow(handle, address(this));
        emit Made(made.length, handle);
        made.push(handle);
    }

    function _handles(uint256[] calldata indices) private view returns (bytes32[] memory handles) {
        handles = new bytes32[](indices.length);
        for (uint256 i = 0; i < indices.length; ++i) {
            handles[i] = made[indices[i]];
        }
    }
}
