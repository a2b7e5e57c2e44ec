"""The changes, oldest first: NNNN_expand_… ships before the code that needs it, NNNN_contract_… after."""
