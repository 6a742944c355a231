"""Keys: where they come from, who holds them, how they are rotated, erased and recovered.

key source   the key-encryption key: a file, an environment variable, or a command of a key module
  └─ keyring     keys.json: signing keys, the key of subject digests, the erasable tree
       └─ vault      one data key a subject, wrapped by a leaf of that tree; records under it
"""
