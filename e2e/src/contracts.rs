//! Interfaces of the dApps that the tests drive, and of the system contracts they look at.

alloy::sol! {
    #[sol(rpc)]
    contract DecryptionProbe {
        event Made(uint256 indexed index, bytes32 handle);
        event Asked(uint256 indexed requestId);
        event Delivered(uint256 indexed requestId, bytes cleartexts);
        function makeBool(bool value) external;
        function makeUint8(uint8 value) external;
        function makeUint64(uint64 value) external;
        function makeAddress(address value) external;
        function makeUint64From(bytes32 value, bytes calldata inputProof) external;
        function makeRandomUint64(uint64 bound) external;
        function computeUint64(uint64 a, uint64 b) external;
        function computeUint8(uint8 a, uint8 b) external;
        function allowUser(uint256 index, address user) external;
        function publish(uint256[] calldata indices) external;
        function ask(uint256[] calldata indices, uint32 callbackGas) external returns (uint256 requestId);
        function askHandles(bytes32[] calldata handles, uint32 callbackGas) external returns (uint256 requestId);
        function isValid(uint256[] calldata indices, bytes calldata words, bytes calldata proof) external view returns (bool);
        function count() external view returns (uint256);
        function made(uint256 index) external view returns (bytes32);
        function cleartexts(uint256 requestId) external view returns (bytes);
        function deliveries(uint256 requestId) external view returns (uint256);
    }

    #[sol(rpc)]
    contract HostileReceiver {
        event Asked(uint256 indexed requestId);
        function setMode(uint8 mode_) external;
        function ask(uint64 value, uint32 callbackGas) external returns (uint256 requestId);
        function deliveries() external view returns (uint256);
        function entered() external view returns (uint256);
    }

    #[sol(rpc)]
    contract DecryptionOracle {
        event DecryptionFulfilled(uint256 indexed requestId, bytes cleartexts, bytes decryptionProof, bool callbackOk);
        error GasTooLow(uint256 given, uint256 needed);
        function getExtraData(uint256 requestId) external view returns (bytes);
        function fulfil(uint256 requestId, bytes calldata cleartexts, bytes calldata decryptionProof) external;
        function retryCallback(uint256 requestId, bytes calldata cleartexts, bytes calldata decryptionProof) external;
    }
}
