import java.io.PrintStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Properties;
import java.util.Random;

/**
 * Records what java.util.Properties makes of texts, for the test of our own parser:
 *
 *     java tests/unit/config/RecordProperties.java > tests/unit/config/properties_cases.ndjson
 *
 * Texts by hand, and texts of random characters that mean something in the grammar, from a fixed seed.
 */
class RecordProperties {
    static final String[] BY_HAND = {
        "", " ", "\n", "\r\n\r\n", "a", "a=", "a:", "a ", "a=b", "a:b", "a b", "a\tb", "a\fb", " a = b ", "\ta\t=\tb\t",
        "a = = b", "a : = b", "a=:b", "a := b", "a==b", "a  b", "a = b c d", "=b", ":b", " = b", "=", ":", "= =",
        "#a=b", "!a=b", "  # a=b", "\t! a=b", "a=#b", "a=b # no comment", "a#=b", "#a=b\\\nc=d", "!x\\\r\nc=d",
        "a=b\nc=d", "a=b\rc=d", "a=b\r\nc=d", "a=b\n\rc=d", "a=b\n\n\nc=d", "a=b\nc=d\n", "a\n=b", "a=\nb",
        "a=b\\\nc", "a=b\\\rc", "a=b\\\r\nc", "a=b\\\n   c", "a=b \\\n   c", "a=b\\\n\tc\\\n\fd", "a=b\\\\\nc", "a=b\\\\\\\nc",
        "a=b\\\n\nc=d", "a=b\\\n  \nc=d", "a=b\\\n#c", "a=b\\\n!c=d", "a\\\n=b", "a\\\n  b=c", "a\\\n b\\\n c = d",
        "a=\\\nb", "a=\\\n\\\n\\\nb", "\\\na=b", "\\\n#a=b\nc=d", "\\\n\\\na=b", "\\\n\na=b", "  \\\n  a=b",
        "a=b\\", "a=b\\\n", "a=b\\\r", "a=b\\\r\n", "a\\", "a=\\", "\\", "\\\n", "\\\r\n", "a=b\n\\", "a=b\n  \\\n",
        "a\\=b=c", "a\\:b=c", "a\\ b=c", "a\\\tb=c", "a\\#b=c", "\\#a=b", "\\!a=b", "\\=a=b", "\\ a=b", "a\\\\=b", "a\\\\\\=b=c",
        "a=\\ b", "a=\\tb", "a=b\\tc\\nd\\re\\ff", "a=\\a\\b\\c\\q\\'\\\"\\0\\1", "a=\\\\", "a=\\\\n", "a=b\\ ", "a=b\\ c",
        "a=\\u0041", "\\u0061=b", "a=\\u00e9\\u00E9", "a=\\uD83D\\uDE00", "a=\\uD83D", "a=\\u0020b\\u0020", "a=\\\\u0041",
        "a=\\u000a", "a\\u003db=c", "a\\u0020b=c", "a=\\u0023", "\\u0023a=b", "a=\\u005c\\u005cn", "a=\\u005cn",
        "a=\\u", "a=\\u1", "a=\\u12", "a=\\u123", "a=\\u123g", "a=\\uu0041", "a=\\U0041", "a=\\u 041", "a=\\u-041", "a\\u=b",
        "a=\\u00\\\n41", "a=\\\nu0041", "a=\\\\\nu0041", "#\\u12", "a=b\nc=\\u12\nd=e", "a=\\uD83D\uDE00",
        "a=é", "é=ü", "a=日本語", "a=\uD83D\uDE00", "\uD83D\uDE00=a", "a=b\u00A0", "\u00A0a=b", "a\u00A0=b", "a=\u2028b", "a\u0085b=c",
        "a=b\u0000c", "\u0000=a", "a=b\u000Bc", "\u000Ba=b", "a\u001Fb", "\uFEFFa=b", "a=\u001A",
        "a=1\na=2", "a=1\nb=2\na=3", "a\na=1", "a=1\na", "a=1\n\\u0061=2", "a =1\n a=2",
        "kafka.offset='earliest' or 'latest'", "aws.access-key= ## instance profile is used when not provided",
        "target=S3\r\ntarget.aws.s3-bucket=events\r\n\r\n# the end", "kafka.nodes=127.0.0.1,127.0.0.2",
        "kafka.nodes=127.0.0.1:9092,\\\n            127.0.0.2:9092", "url=jdbc\\:postgresql\\://h\\:5432/db?a\\=b", "path=C:\\dir\\new",
        "path=C:\\\\dir\\\\new", "key with spaces=v", "a=${ENV:B}", "a=$${ENV:B:c}", "a=\"b\"", "a='b'", "<a>b</a>",
        "a=b;c", "[section]\na=b", "a=b\f", "\f\f a=b", "a=\f", "a\f=\fb", "a=b   \\\n   ", "a=b\\\n\\\n", "a=b\\\n#\n#c",
    };

    static final String[] ALPHABET = {
        "\\", "\\", "\\", "\n", "\n", "\r", "\r\n", " ", "\t", "\f", "=", ":", "#", "!", "a", "b", "u", "n", "0041", "u0061", "é", "\u00A0",
    };
    static final int RANDOM_CASES = 600;

    public static void main(String[] arguments) {
        List<String> texts = new ArrayList<>(List.of(BY_HAND));
        Random random = new Random(20261101);
        for (int i = 0; i < RANDOM_CASES; i++) {
            StringBuilder text = new StringBuilder();
            for (int length = 1 + random.nextInt(14); length > 0; length--) text.append(ALPHABET[random.nextInt(ALPHABET.length)]);
            texts.add(text.toString());
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String text : new LinkedHashSet<>(texts)) out.println(record(text));
        out.flush();
    }

    /** {"text": ..., "entries": [[key, value], ...]} in the order of the file, or {"text": ..., "error": ...}. */
    static String record(String text) {
        List<String> entries = new ArrayList<>();
        Properties recorder = new Properties() {
            @Override
            public synchronized Object put(Object key, Object value) {
                entries.add("[" + json((String) key) + "," + json((String) value) + "]");
                return super.put(key, value);
            }
        };
        try {
            recorder.load(new StringReader(text));
            return "{\"text\":" + json(text) + ",\"entries\":[" + String.join(",", entries) + "]}";
        } catch (Exception error) {
            return "{\"text\":" + json(text) + ",\"error\":" + json(error.getMessage()) + "}";
        }
    }

    static String json(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < 0x20 || c > 0x7e) out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        }
        return out.append('"').toString();
    }
}
