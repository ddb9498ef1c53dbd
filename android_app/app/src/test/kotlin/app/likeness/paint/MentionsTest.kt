package app.likeness.paint

import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import kotlin.test.Test
import kotlin.test.assertEquals

class MentionsTest {
    private fun subject(vararg tokens: String) =
        Subject(tokens.first(), tokens.first(), "cat", tokens.toList(), SubjectState.READY, 0)

    private val minka = subject("<my-minka>")
    private val second = subject("<my-minka-2>")
    private val plain = subject("sks")
    private val merged = subject("<a>", "<b>")
    private val all = listOf(minka, second, plain, merged)

    @Test
    fun wholeWordsCount() {
        val table = mapOf(
            "a photo of a <my-minka> cat" to listOf(minka),
            "<MY-MINKA>" to listOf(minka),
            "<my-minka-2> and <my-minka>" to listOf(minka, second),
            "asks for sksy things" to emptyList(),
            "sks, please" to listOf(plain),
            "a <b> cat" to listOf(merged),
            "" to emptyList(),
        )
        table.forEach { (prompt, subjects) -> assertEquals(subjects, subjectsIn(prompt, all), prompt) }
    }

    @Test
    fun wordsArePutInWithSpaces() {
        assertEquals("a <m> cat in a bucket" to 9, insertWords("a in a bucket", "<m> cat", 1))
        assertEquals("a <m> cat" to 9, insertWords("a", "<m> cat", 99))
        assertEquals("<m> cat b" to 7, insertWords("b", "<m> cat", -1))
        assertEquals("a <m> cat, b" to 9, insertWords("a , b", "<m> cat", 2))
        assertEquals("<m> cat" to 7, insertWords("", "<m> cat", 0))
    }
}
