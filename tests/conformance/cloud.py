"""moto as AWS, but for one thing: what a multi-Region key encrypts can be decrypted again.

moto writes the id of a key in front of what it encrypts, and leaves no room for those that begin with "mrk-".
"""

import moto.kms.utils as kms
from moto.server import main

ROOM = len("mrk-")
read_header = kms._deserialize_ciphertext_blob


def without_padding(ciphertext_blob):
    ciphertext = read_header(ciphertext_blob)
    return ciphertext._replace(key_id=ciphertext.key_id.rstrip("\0"))


kms.HEADER_LEN += ROOM
kms.CIPHERTEXT_HEADER_FORMAT = f">{kms.KEY_ID_LEN + ROOM}s{kms.IV_LEN}s{kms.TAG_LEN}s"
kms._deserialize_ciphertext_blob = without_padding

if __name__ == "__main__":
    main()
