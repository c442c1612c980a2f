// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";

import {ACL} from "../../src/ACL.sol";
import {FHEVMExecutor} from "../../src/FHEVMExecutor.sol";
import {InputVerifier} from "../../src/InputVerifier.sol";
import {FHEEvents} from "../../src/interfaces/FHEEvents.sol";
import {IACL} from "../../src/interfaces/IACL.sol";
import {KMSVerifier} from "../../src/KMSVerifier.sol";
import {Base} from "../Base.t.sol";

/// Selectors and topics as the fhEVM library and its clients have them, written out as numbers.
contract SelectorsTest is Base {
    function same(bytes4 given, bytes4 expected) private pure {
        vm.assertEq(bytes32(given), bytes32(expected));
    }

    function test_executor_functions() public pure {
        same(FHEVMExecutor.fheAdd.selector, 0x117b2f38);
        same(FHEVMExecutor.fheSub.selector, 0x182b6d98);
        same(FHEVMExecutor.fheMul.selector, 0x57f0a568);
        same(FHEVMExecutor.fheDiv.selector, 0x5a53accb);
        same(FHEVMExecutor.fheRem.selector, 0xcf4d18aa);
        same(FHEVMExecutor.fheBitAnd.selector, 0xd99882d5);
        same(FHEVMExecutor.fheBitOr.selector, 0x63a2db29);
        same(FHEVMExecutor.fheBitXor.selector, 0x8b49ceb4);
        same(FHEVMExecutor.fheShl.selector, 0xccc480a1);
        same(FHEVMExecutor.fheShr.selector, 0x91f98ffe);
        same(FHEVMExecutor.fheRotl.selector, 0x6754b360);
        same(FHEVMExecutor.fheRotr.selector, 0xc021329e);
        same(FHEVMExecutor.fheEq.selector, 0xf77f3f1d);
        same(FHEVMExecutor.fheNe.selector, 0xd8092cbc);
        same(FHEVMExecutor.fheGe.selector, 0x1391547f);
        same(FHEVMExecutor.fheGt.selector, 0x85362ee7);
        same(FHEVMExecutor.fheLe.selector, 0x7513a404);
        same(FHEVMExecutor.fheLt.selector, 0x72107681);
        same(FHEVMExecutor.fheMin.selector, 0x04559f71);
        same(FHEVMExecutor.fheMax.selector, 0x36318d64);
        same(FHEVMExecutor.fheNeg.selector, 0xd580c063);
        same(FHEVMExecutor.fheNot.selector, 0xf51ccfb0);
        same(FHEVMExecutor.fheIfThenElse.selector, 0x7702dcff);
        same(FHEVMExecutor.cast.selector, 0x1c89ee44);
        same(FHEVMExecutor.trivialEncrypt.selector, 0x9cd07acb);
        same(FHEVMExecutor.verifyInput.selector, 0x08bf832a);
        same(FHEVMExecutor.fheRand.selector, 0xd75d6e8a);
        same(FHEVMExecutor.fheRandBounded.selector, 0x48eef47e);
        same(FHEVMExecutor.fheSum.selector, 0x04a8d199);
        same(FHEVMExecutor.fheIsIn.selector, 0x73729f60);
        same(FHEVMExecutor.getInputVerifierAddress.selector, 0xa8c7c2c1);
    }

    function test_acl_functions() public pure {
        same(ACL.allow.selector, 0xb9496b62);
        same(ACL.allowTransient.selector, 0x3e395cec);
        same(ACL.allowForDecryption.selector, 0xfadd2246);
        same(ACL.cleanTransientStorage.selector, 0x35334c23);
        same(ACL.isAllowed.selector, 0x82027b6d);
        same(ACL.persistAllowed.selector, 0x1e2f86ba);
        same(ACL.isAllowedForDecryption.selector, 0xc0d02943);
        same(ACL.isAccountDenied.selector, 0x9edc01ec);
        same(ACL.delegateForUserDecryption.selector, 0x04f61a95);
        same(ACL.revokeDelegationForUserDecryption.selector, 0x669e6316);
        same(ACL.getUserDecryptionDelegationExpirationDate.selector, 0x3f462dbe);
        same(ACL.isHandleDelegatedForUserDecryption.selector, 0xd09c0dee);
        same(Multicall.multicall.selector, 0xac9650d8);
    }

    function test_kms_verifier_functions() public pure {
        same(KMSVerifier.verifyDecryptionEIP712KMSSignatures.selector, 0x78542ead);
        same(KMSVerifier.eip712Domain.selector, 0x84b0196e);
        same(KMSVerifier.getContextSignersAndThresholdFromExtraData.selector, 0xb7f47bd6);
        same(KMSVerifier.getKmsSigners.selector, 0x7eaac8f2);
        same(KMSVerifier.getThreshold.selector, 0xe75235b8);
    }

    function test_input_verifier_functions() public pure {
        same(InputVerifier.cleanTransientStorage.selector, 0x35334c23);
        same(InputVerifier.getCoprocessorSigners.selector, 0x9164d0ae);
        same(InputVerifier.getThreshold.selector, 0xe75235b8);
        same(InputVerifier.eip712Domain.selector, 0x84b0196e);
    }

    function test_executor_events() public pure {
        vm.assertEq(FHEEvents.FheAdd.selector, 0xdb9050d65240431621d61d6f94b970e63f53a67a5766614ee6e5c5bbd41c8e2e);
        vm.assertEq(FHEEvents.FheSub.selector, 0xeb6d37bd271abe1395b21d6d78f3487d6584862872c29ffd3f90736ee99b7393);
        vm.assertEq(FHEEvents.FheMul.selector, 0x215346a4f9f975e6d5484e290bd4e53ca14453a9d282ebd3ccedb2a0f171753d);
        vm.assertEq(FHEEvents.FheDiv.selector, 0x3bab2ee0e2f90f4690c6a87bf63cf1a6b626086e95f231860b152966e8dabbf7);
        vm.assertEq(FHEEvents.FheRem.selector, 0x0e691cd0bf8c4e9308e4ced1bb9c964117dc5c5bb9b9ab5bdfebf2c9b13a897c);
        vm.assertEq(FHEEvents.FheBitAnd.selector, 0xe42486b0ccdbef81a2075c48c8e515c079aea73c8b82429997c72a2fe1bf4fef);
        vm.assertEq(FHEEvents.FheBitOr.selector, 0x56df279bbfb03d9ed097bbe2f28d520ca0c1161206327926e98664d70d2c24c4);
        vm.assertEq(FHEEvents.FheBitXor.selector, 0x4d32284bd3193ecaa44e1ceca32f41c5d6c32803a92e07967dd3ee4229721582);
        vm.assertEq(FHEEvents.FheShl.selector, 0xe84282aaebcca698443e39a2a948a345d0d2ebc654af5cb657a2d7e8053bf6cb);
        vm.assertEq(FHEEvents.FheShr.selector, 0x324220bfc9cb158b492991c03c309cd86e5345cac45aacae2092ddabe31fa3d8);
        vm.assertEq(FHEEvents.FheRotl.selector, 0xeb0e4f8dc74058194d0602425fe602f955c222200f7f10c6fe67992f7b24c7e9);
        vm.assertEq(FHEEvents.FheRotr.selector, 0xc148675905d07ad5496f8ef4d8195c907503f3ec12fd10ed5f21240abc693634);
        vm.assertEq(FHEEvents.FheEq.selector, 0xb3d5c664ec86575818e8d75ff25c5f867250df8954088549c41c848cd10e76cb);
        vm.assertEq(FHEEvents.FheNe.selector, 0x6960c1e88f61c352dba34d1bbf6753e302795264d5d8ae82f7983c7004651e5d);
        vm.assertEq(FHEEvents.FheGe.selector, 0x38c3a63c4230de5b741f494ffb54e3087104030279bc7bccee8ad9ad31712b21);
        vm.assertEq(FHEEvents.FheGt.selector, 0xc9ff8f0d18a3f766ce5de3de216076050140e4fc2652f5e0e745f6fc836cda8b);
        vm.assertEq(FHEEvents.FheLe.selector, 0xdef2e704a077284a07f3d0b436db88f5d981b69f58ab7c1ae623252718a6de01);
        vm.assertEq(FHEEvents.FheLt.selector, 0x0d483b100d8c73b208984ec697caa3091521ee5525ce69edcf97d7e395d3d059);
        vm.assertEq(FHEEvents.FheMin.selector, 0xc11d62b13c360a83082487064be1ec0878b2f0be4f012bf59f89e128063d47ff);
        vm.assertEq(FHEEvents.FheMax.selector, 0xfd7c9208f956bf0c6ab76a667f04361245ad3e0a2d0eff92eb827acfcca68ea9);
        vm.assertEq(FHEEvents.FheNeg.selector, 0x8c664d3c3ca583fc5803b8a91c49644bbd9550bfa87967c73ad1de83027768c0);
        vm.assertEq(FHEEvents.FheNot.selector, 0x55aff4cc7a3d160c83f1f15b818011ede841a0b4597fb14dcd3603df3a11e5e0);
        vm.assertEq(FHEEvents.FheIfThenElse.selector, 0x60be9d61aad849facc28c38b048cb5c4be3420b8fa2233e08cfa06be1b6d1c3e);
        vm.assertEq(FHEEvents.Cast.selector, 0x31ccae6a2f8e3ced1692f77c8f668133e4afdaaa35afe844ff4659a6c27e627f);
        vm.assertEq(FHEEvents.TrivialEncrypt.selector, 0x063ccd1bba45151d91f6a418065047a3d048d058a922535747bb2b575a01d236);
        vm.assertEq(FHEEvents.VerifyInput.selector, 0xdc370db33589e73371dc3ee42c789c003d336eefcb7c3f56fe0f51ae5b1d9702);
        vm.assertEq(FHEEvents.FheRand.selector, 0x0c8aca6017003326051e19913ef02631f24b801125e1fa8a1d812e868319fda6);
        vm.assertEq(FHEEvents.FheRandBounded.selector, 0x5222d96b836727a1d6fe1ee9aef27f9bb507bd41794defa376ff6c648aaf8ff1);
        vm.assertEq(FHEEvents.FheSum.selector, 0xd24d1fc700ce6a96b04d0ef048cb74e4c9647351da21b84501d848e16c161deb);
        vm.assertEq(FHEEvents.FheIsIn.selector, 0xa8b64ca323c46be8ad4087f46d85976cd3ab0bda32e171a8550a6c9b7c519a8a);
    }

    function test_acl_events() public pure {
        vm.assertEq(IACL.Allowed.selector, 0xe2e1decee6e05ee246cd7c7f1337d25cdfd41dcbdcf8c57b61630be56cc7366a);
        vm.assertEq(IACL.AllowedForDecryption.selector, 0xd913ac93a959116526793ef772233273d5249597d33cddfdc34f29920541fd0a);
        vm.assertEq(IACL.DelegatedForUserDecryption.selector, 0x527b025d7ff06689c1ab9d32dfd7881c964cce72ce8ac5b2fe1d3be8cfda5bfc);
        vm.assertEq(IACL.RevokedDelegationForUserDecryption.selector, 0x7aca80b6b7928b9038f186e3d9922a0fc5d52c398fbf144725c142c52a5277e4);
        vm.assertEq(IACL.BlockedAccount.selector, 0x8632489584ac3cfc9b78cc6c2197c31ca9e3821bfa5ca5c9af28917b92db24d9);
        vm.assertEq(IACL.UnblockedAccount.selector, 0xa885a62df16bfeabc96ed9b845b30dd4038f039ca1679490125c314222355e3f);
    }
}
