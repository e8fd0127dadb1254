#!/bin/sh
# make.sh: makes the certificates of this folder anew, by openssl. What it makes is kept in the repository, so that no test needs openssl
# or waits for keys. Keys stand in front of their certificates; that of the CA is not kept.

set -eu
cd "$(dirname "$0")"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

new_key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256"

# `openssl ca` alone, of what Debian 12 has, signs with dates of one's own.
cat >"$folder/ca.conf" <<END
[ca]
default_ca = test
[test]
database = $folder/index
serial = $folder/serial
new_certs_dir = $folder
certificate = $folder/ca.crt
private_key = $folder/ca.key
default_md = sha256
policy = any
unique_subject = no
x509_extensions = server
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[server]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = \$ENV::NAMES
END
: >"$folder/index"
echo 01 >"$folder/serial"

# request NAME: a key and a request to sign it.
request()
{
    # shellcheck disable=SC2086 # words
    openssl req $new_key -subj "/CN=$1" -keyout "$folder/$1.key" -out "$folder/$1.csr"
}

# sign NAME START END [OPTIONS]
sign()
{
    name=$1
    start=$2
    end=$3
    shift 3
    openssl ca -batch -notext -config "$folder/ca.conf" -startdate "$start" -enddate "$end" -in "$folder/$name.csr" \
        -out "$folder/$name.crt" "$@"
}

# make NAME NAMES START END
make()
{
    export NAMES="$2"
    request "$1"
    sign "$1" "$3" "$4"
    cat "$folder/$1.key" "$folder/$1.crt" >"$1.pem"
}

from=20200101000000Z
until=21200101000000Z
export NAMES=
request ca
sign ca $from $until -selfsign -extensions authority
cp "$folder/ca.crt" ca.pem
make good DNS:localhost,IP:127.0.0.1 $from $until
make othername DNS:other.example $from $until
make expired DNS:localhost,IP:127.0.0.1 $from 20200102000000Z
