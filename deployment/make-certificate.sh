# In a folder of root: an authority of one's own, and its certificate for nginx. Clients trust ca.pem; ca-key.pem stays here.
set -e
umask 077
new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
[ -e ca.pem ] || openssl req -x509 $new -days 3650 -subj "/CN=Authority of calib.example.org" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca-key.pem -out ca.pem
openssl req $new -subj "/CN=calib.example.org" -keyout key.pem -out request.pem
echo "subjectAltName=DNS:calib.example.org" > names
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 398 -extfile names -out fullchain.pem
install -d -m 0750 /etc/nginx/calreg-tls
install -m 0640 fullchain.pem key.pem /etc/nginx/calreg-tls
